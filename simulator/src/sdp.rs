//! The session description that the raw server gives (RFC 8866, RFC 6184 8.2, RFC 7798 7.2).

use crate::access_unit::{Codec, ParameterSets};
use crate::rtp::PAYLOAD_TYPE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;

/// Describes one video track. Without parameter sets, none are told.
#[must_use]
pub fn describe(codec: Codec, sets: &ParameterSets) -> String {
    let encoding = match codec {
        Codec::H264 => "H264",
        Codec::H265 => "H265",
        Codec::Mjpeg => "JPEG",
    };
    let mut sdp = format!(
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=street\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\na=range:npt=now-\r\n\
         m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\na=rtpmap:{PAYLOAD_TYPE} {encoding}/90000\r\n"
    );
    let format = format_parameters(codec, sets);
    if !format.is_empty() {
        let _ = write!(sdp, "a=fmtp:{PAYLOAD_TYPE} {format}\r\n");
    }
    sdp.push_str("a=control:track0\r\na=recvonly\r\n");
    sdp
}

fn format_parameters(codec: Codec, sets: &ParameterSets) -> String {
    let text = |set: &Option<bytes::Bytes>| set.as_ref().map(|nal| STANDARD.encode(nal));
    match (codec, text(&sets.vps), text(&sets.sps), text(&sets.pps)) {
        (Codec::H264, _, Some(sps), Some(pps)) => {
            // Bytes 1 to 3 of an SPS are profile, constraints and level.
            let profile = sets.sps.as_ref().and_then(|nal| nal.get(1..4));
            let profile = profile.map(|p| format!(";profile-level-id={:02X}{:02X}{:02X}", p[0], p[1], p[2]));
            format!("packetization-mode=1{};sprop-parameter-sets={sps},{pps}", profile.unwrap_or_default())
        }
        (Codec::H264, ..) => "packetization-mode=1".to_owned(),
        (Codec::H265, Some(vps), Some(sps), Some(pps)) => {
            format!("sprop-vps={vps};sprop-sps={sps};sprop-pps={pps}")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn parameter_sets_are_told_where_there_are_some_and_only_then() {
        let sets = ParameterSets {
            vps: None,
            sps: Some(Bytes::from_static(&[0x67, 0x42, 0xc0, 0x1e, 9])),
            pps: Some(Bytes::from_static(&[0x68, 1])),
        };
        let sdp = describe(Codec::H264, &sets);
        assert!(sdp.contains("profile-level-id=42C01E;sprop-parameter-sets=Z0LAHgk=,aAE="), "{sdp}");
        assert!(!describe(Codec::H264, &ParameterSets::default()).contains("sprop"));
        assert!(sdp.lines().all(|line| !line.is_empty()));
    }
}
