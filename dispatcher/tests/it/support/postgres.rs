//! PostgreSQL servers of the tests' own: the real program from the Debian package, in a temporary folder.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use url::Url;

/// Set for a process that a test has started: the server to use is already there.
pub const SERVER: &str = "CITYBRAIN_TEST_POSTGRES";

/// One server for all tests of this binary that only need some database.
static SHARED: LazyLock<Server> = LazyLock::new(|| Server::start(Durability::None));

/// Whether the server keeps what it has committed when the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// As in earnest.
    Full,
    /// Quick: the databases are thrown away.
    None,
}

/// A server that ends, and whose folder goes, with the process that has started it.
pub struct Server {
    folder: PathBuf,
    pub port: u16,
    /// Waits for its input to end, which it does however this process ends.
    _keeper: Child,
}

/// Address of the shared server, without a database.
pub fn shared() -> Url {
    match std::env::var(SERVER) {
        Ok(url) => Url::parse(&url).unwrap(),
        Err(_) => SHARED.url(),
    }
}

impl Server {
    pub fn start(durability: Durability) -> Self {
        let folder =
            std::env::temp_dir().join(format!("citybrain-pg-{}-{}", std::process::id(), free_port()));
        std::fs::create_dir(&folder).unwrap();
        if is_root() {
            run(Command::new("chown").arg("postgres:").arg(&folder));
        }
        let data = folder.join("data");
        let initdb = ["--no-sync", "--auth=trust", "--username=citybrain", "--encoding=UTF8", "--locale=C"];
        run(as_server(&program("initdb")).args(initdb).arg("-D").arg(&data));
        let port = free_port();
        let mut options = format!(
            "-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c max_connections=400 \
             -c shared_buffers=16MB -c logging_collector=off"
        );
        if durability == Durability::None {
            options += " -c fsync=off -c full_page_writes=off";
        }
        let log = folder.join("log");
        let mut start = as_server(&program("pg_ctl"));
        run(start.args(["-w", "-t", "120", "start", "-o", &options]).arg("-D").arg(&data).arg("-l").arg(log));
        let keeper = Command::new("sh")
            .args(["-c", "read -r _; $3 \"$1\" stop -m immediate -D \"$2/data\"; rm -rf \"$2\"", "keeper"])
            .arg(program("pg_ctl"))
            .arg(&folder)
            .arg(if is_root() { AS_POSTGRES.join(" ") } else { String::new() })
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { folder, port, _keeper: keeper }
    }

    pub fn url(&self) -> Url {
        Url::parse(&format!("postgres://127.0.0.1:{}", self.port)).unwrap()
    }

    /// Ends the server as a power cut would and starts it again.
    pub fn restart_at_once(&self) {
        let mut restart = as_server(&program("pg_ctl"));
        let restart = restart.args(["-w", "-t", "120", "restart", "-m", "immediate", "-D"]);
        run(restart.arg(self.folder.join("data")).arg("-l").arg(self.folder.join("log")));
    }
}

/// Makes a database.
pub fn create(server: &Url, name: &str) {
    let port = server.port().unwrap().to_string();
    let mut create = Command::new(program("createdb"));
    run(create.args(["-h", "127.0.0.1", "-p", &port, "-U", "citybrain", "-T", "template0", name]));
}

/// A PostgreSQL program of the newest version installed.
fn program(name: &str) -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .expect(
            "PostgreSQL is missing: it is among the Debian packages for the tests, `./x setup` installs them",
        )
        .map(|entry| entry.unwrap().path())
        .collect();
    versions.sort_by_key(|path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()));
    versions.last().unwrap().join("bin").join(name)
}

const AS_POSTGRES: [&str; 5] = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"];

/// The server refuses to run as root.
fn as_server(program: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new(AS_POSTGRES[0]);
        command.args(&AS_POSTGRES[1..]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir("/").stdin(Stdio::null());
    command
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn run(command: &mut Command) {
    // To files that pg_ctl's server inherits: a pipe would stay open for as long as the server runs.
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}
