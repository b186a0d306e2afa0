//! Which library does TLS, said once for the whole program.

/// Takes `ring`; a second call changes nothing.
pub fn install() {
    // It fails only when a provider is there already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
