//! The real binary: keygen, sign, verify and inspect, against ssh-keygen.
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A directory with an image of three leaves and a key, and the binary in it.
struct Bench(TempDir);

impl Bench {
    fn new() -> Bench {
        let bench = Bench(tempfile::tempdir().unwrap());
        let image: Vec<u8> = (0..150_000_u32).map(|i| (i % 251) as u8).collect();
        fs::write(bench.dir().join("fw.img"), image).unwrap();
        bench.ok(&["keygen", "id"]);
        bench
    }

    /// As new(), with the image signed by that key.
    fn signed() -> Bench {
        let bench = Bench::new();
        bench.ok(&[
            "sign",
            "fw.img",
            "--key",
            "id",
            "--sha256",
            "--expires",
            "30d",
        ]);
        bench
    }

    fn dir(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_linecast"))
            .args(args)
            .current_dir(self.dir())
            .env("HOME", self.dir())
            .env_remove("XDG_CONFIG_HOME")
            .env("RUST_BACKTRACE", "1")
            .output()
            .unwrap()
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The command ends with `code`, says one line on stderr that starts with
    /// `linecast:` and contains `message`, and leaves the directory as it was.
    fn fails(&self, args: &[&str], code: i32, message: &str) {
        let before = self.files();
        let output = self.run(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.starts_with("linecast: "), "{args:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{args:?}: {stderr}");
        assert!(stderr.contains(message), "{args:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{args:?}: {output:?}");
        assert_eq!(self.files(), before, "{args:?} left something behind");
    }

    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(self.dir())
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().unwrap().is_file())
            .map(|entry| {
                let name = entry.file_name().into_string().unwrap();
                (name, fs::read(entry.path()).unwrap())
            })
            .collect();
        files.sort();
        files
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.dir().join(file)).unwrap()
    }

    fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        fs::write(self.dir().join(file), text).unwrap();
    }

    /// Runs ssh-keygen; a machine without it fails rather than skips.
    fn ssh_keygen(&self, args: &[&str], stdin: &[u8]) -> Output {
        let mut child = Command::new("ssh-keygen")
            .args(args)
            .current_dir(self.dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ssh-keygen is needed: install the package openssh-client");
        let _ = child.stdin.take().unwrap().write_all(stdin);
        child.wait_with_output().unwrap()
    }

    /// Signs the manifest again, as its author may after an edit.
    fn resign(&self) {
        let args = ["-Y", "sign", "-f", "id", "-n", NAMESPACE];
        let signed = self.ssh_keygen(&args, self.read(MANIFEST).as_bytes());
        assert!(signed.status.success(), "{signed:?}");
        self.write(SIGNATURE, signed.stdout);
    }
}

#[test]
fn ssh_keygen_verifies_what_we_sign() {
    let bench = Bench::signed();
    let verified = bench.ok(&["verify", "fw.img", "--trust", "id.pub"]);
    assert!(
        verified.contains("signed by linecast SHA256:"),
        "{verified}"
    );
    bench.write("allowed", format!("me@x {}", bench.read("id.pub")));
    let args = [
        "-Y", "verify", "-f", "allowed", "-I", "me@x", "-n", NAMESPACE, "-s", SIGNATURE,
    ];
    let theirs = bench.ssh_keygen(&args, bench.read(MANIFEST).as_bytes());
    assert!(theirs.status.success(), "{theirs:?}");
    assert!(
        bench
            .ok(&["verify", "fw.img", "--trust", "allowed"])
            .contains("me@x")
    );
}

#[test]
fn we_verify_what_ssh_keygen_signs() {
    let bench = Bench::signed();
    let args = ["-q", "-t", "ed25519", "-N", "", "-C", "theirs", "-f", "ssh"];
    assert!(bench.ssh_keygen(&args, b"").status.success());
    let args = ["-Y", "sign", "-f", "ssh", "-n", NAMESPACE, MANIFEST];
    fs::remove_file(bench.dir().join(SIGNATURE)).unwrap();
    assert!(bench.ssh_keygen(&args, b"").status.success());
    assert!(
        bench
            .ok(&["verify", "fw.img", "--trust", "ssh.pub"])
            .contains("signed by theirs")
    );
    bench.fails(
        &["verify", "fw.img", "--trust", "id.pub"],
        4,
        "is not trusted",
    );
    bench.ok(&["sign", "fw.img", "--key", "ssh"]);
    bench.ok(&["verify", "fw.img", "--trust", "ssh.pub"]);
}

#[test]
fn without_trust_the_signer_is_named_and_said_to_be_untrusted() {
    let bench = Bench::signed();
    let text = bench.ok(&["verify", "fw.img"]);
    assert!(text.contains("trust: none"), "{text}");
}

#[test]
fn keygen_makes_a_private_pair_and_overwrites_nothing() {
    let bench = Bench::new();
    let mode = |file: &str| {
        bench
            .dir()
            .join(file)
            .metadata()
            .unwrap()
            .permissions()
            .mode()
    };
    assert_eq!(mode("id") & 0o777, 0o600);
    let listed = bench.ssh_keygen(&["-l", "-f", "id.pub"], b"");
    let listed = String::from_utf8(listed.stdout).unwrap();
    let fingerprint = listed.split(' ').nth(1).unwrap();
    assert!(bench.ok(&["inspect", "id"]).contains(fingerprint));
    bench.fails(
        &["keygen", "id"],
        1,
        "key id: exists and is not overwritten",
    );
    bench.write("other.pub", "mine");
    bench.fails(&["keygen", "other"], 1, "key other.pub: exists");
    bench.fails(
        &["keygen", "no/such/directory"],
        1,
        "key no/such/directory: No such file",
    );
    bench.fails(
        &["keygen", "new", "--comment", "a\nb"],
        1,
        "comment: at most 256",
    );
    assert!(bench.ok(&["keygen"]).starts_with("SHA256:"));
    assert_eq!(mode(".config/linecast") & 0o777, 0o700);
    assert_eq!(mode(".config/linecast/id") & 0o777, 0o600);
    bench.ok(&["sign", "fw.img"]);
    bench.ok(&["verify", "fw.img", "--trust", ".config/linecast/id.pub"]);
}

#[test]
fn sign_refuses_bad_input_and_leaves_nothing() {
    let bench = Bench::new();
    let sign = |args: &[&str], message: &str| {
        bench.fails(&[&["sign", "--key", "id"], args].concat(), 1, message);
    };
    sign(&["missing.img"], "image missing.img: no such file");
    sign(&["."], "image .: is a directory");
    sign(&["/dev/null"], "is a character device");
    sign(
        &["fw.img", "--name", "../fw"],
        "name: character '/' is not allowed",
    );
    sign(
        &["fw.img", "--name", ""],
        "name of 1 to 128 bytes expected, got 0",
    );
    sign(
        &["fw.img", "--hardware", "a b"],
        "hardware id 1: character ' ' is not allowed",
    );
    sign(
        &["fw.img", "--target", "/dev/sda"],
        "target: character '/' is not allowed",
    );
    sign(
        &["fw.img", "--target", ""],
        "target of 1 to 32 bytes expected, got 0",
    );
    sign(
        &["fw.img", "--release-version", "9007199254740992"],
        "version: at most 9007199254740991",
    );
    sign(
        &["fw.img", "--expires", "30"],
        "--expires 30: a unit expected",
    );
    sign(
        &["fw.img", "--expires", "0s"],
        "--expires 0s: is not in the future",
    );
    sign(
        &["fw.img", "--expires", "2020-01-01T00:00:00Z"],
        "is not in the future",
    );
    sign(&["fw.img", "--expires", "Tuesday"], "--expires Tuesday: ");
    sign(
        &["fw.img", "--manifest", "no/m.json"],
        "manifest no/m.json: No such file",
    );
    bench.fails(&["sign", "fw.img"], 1, "key ");
    bench.fails(&["sign", "fw.img", "--key", "fw.img"], 1, "key fw.img: ");
    bench.fails(&["sign", "fw.img", "--key", "id.pub"], 1, "no BEGIN line");
    let args = ["-q", "-t", "ed25519", "-N", "secret", "-f", "locked"];
    bench.ssh_keygen(&args, b"");
    bench.fails(
        &["sign", "fw.img", "--key", "locked"],
        1,
        "encrypted with \"aes256-ctr\"",
    );
}

#[test]
fn sign_says_what_it_was_told() {
    let bench = Bench::new();
    let args = "sign fw.img --key id --name rel.img --release-version 7 --hardware a --hardware b --target rootfs \
                --expires 2100-01-01T02:00:00+02:00 --manifest m.json";
    bench.ok(&args.split_whitespace().collect::<Vec<_>>());
    let text = bench.ok(&["inspect", "m.json", "--json"]);
    let facts: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(facts["name"], "rel.img");
    assert_eq!(facts["version"], 7);
    assert_eq!(facts["hardware"], serde_json::json!(["a", "b"]));
    assert_eq!(facts["target"], "rootfs");
    assert_eq!(facts["expires"], "2100-01-01T00:00:00Z");
    assert_eq!(facts["sha256"], serde_json::Value::Null);
    assert!(
        facts["signature"]
            .as_str()
            .unwrap()
            .starts_with("valid, by SHA256:")
    );
    let args = "verify fw.img --manifest m.json --hardware b";
    let verified = bench.ok(&args.split(' ').collect::<Vec<_>>());
    assert!(
        verified.contains("\nversion 7\ntarget rootfs\n"),
        "{verified}"
    );
    let inspected = bench.ok(&["inspect", "m.json"]);
    assert!(inspected.contains("\ntarget: rootfs\n"), "{inspected}");
    let args = [
        "verify",
        "fw.img",
        "--manifest",
        "m.json",
        "--hardware",
        "c",
    ];
    bench.fails(&args, 4, "for hardware a, b, this device is c");
}

#[test]
fn manifests_of_the_first_schema_are_still_verified() {
    let bench = Bench::signed();
    let first = bench.read(MANIFEST).replace("manifest.v2", "manifest.v1");
    bench.write(MANIFEST, first);
    bench.resign();
    let verified = bench.ok(&["verify", "fw.img", "--trust", "id.pub"]);
    assert!(!verified.contains("target"), "{verified}");
    let inspected = bench.ok(&["inspect", MANIFEST]);
    assert!(
        inspected.contains("signature: valid, by SHA256:"),
        "{inspected}"
    );
}

#[test]
fn verify_names_what_is_wrong() {
    let verify = &["verify", "fw.img", "--trust", "id.pub"];
    let with = |change: &dyn Fn(&Bench), code, message: &str| {
        let bench = Bench::signed();
        change(&bench);
        bench.fails(verify, code, message);
    };
    let edit = |from: &'static str, to: &'static str| {
        move |bench: &Bench| bench.write(MANIFEST, bench.read(MANIFEST).replacen(from, to, 1))
    };
    let signed_edit = |from: &'static str, to: &'static str| {
        move |bench: &Bench| {
            edit(from, to)(bench);
            bench.resign();
        }
    };
    let remove = |file: &'static str| move |b: &Bench| fs::remove_file(b.dir().join(file)).unwrap();
    with(&remove("fw.img"), 1, "image fw.img: no such file");
    with(
        &remove(MANIFEST),
        1,
        "manifest fw.img.manifest.json: No such file",
    );
    with(
        &remove(SIGNATURE),
        1,
        "signature fw.img.manifest.json.sig: No such file",
    );
    with(&remove("id.pub"), 1, "trust file id.pub: No such file");
    with(
        &|b| b.write("id.pub", "# none"),
        1,
        "trust file id.pub: no usable key",
    );
    with(
        &|b| b.write("id.pub", "x ssh-rsa AAAA"),
        1,
        "line 1: key type ssh-ed25519 expected",
    );
    with(
        &|b| b.write("fw.img", [0; 150_000]),
        4,
        "image fw.img: root_b3: ",
    );
    with(
        &|b| b.write("fw.img", [0; 149_999]),
        4,
        "size_bytes: 150000 expected, got 149999",
    );
    with(&edit("150000", "150001"), 4, "does not match the message");
    with(&|b| b.write(SIGNATURE, ""), 4, "no BEGIN line");
    with(
        &|b| b.write(SIGNATURE, [b'x'; 5000]),
        4,
        "at most 4096 bytes, got 5000",
    );
    with(
        &|b| b.write(MANIFEST, vec![b' '; 70_000]),
        4,
        "does not match",
    );
    with(
        &signed_edit("150000", "150001"),
        4,
        "size_bytes: 150001 expected, got 150000",
    );
    with(
        &signed_edit("manifest.v2", "manifest.v9"),
        4,
        "got \"linecast.manifest.v9\"",
    );
    with(
        &signed_edit("\"version\"", "\"name\""),
        4,
        "key \"name\" is given twice",
    );
    with(
        &signed_edit("\"sha256\": \"", "\"sha256\": \"0"),
        4,
        "sha256: 64 lower-case",
    );
    with(&signed_edit("fw.img", "../../x"), 4, "name: character '/'");
    with(
        &signed_edit("\"sha256\"", "\"\\u001b[31m\u{202e}\""),
        4,
        "unknown key \"\\u{1b}[31m\\u{202e}\"",
    );
    let expired = |bench: &Bench| {
        let mut text = bench.read(MANIFEST);
        for (key, year) in [("\"created\": \"", "2000"), ("\"expires\": \"", "2001")] {
            let at = text.find(key).unwrap() + key.len();
            text.replace_range(at..at + 4, year);
        }
        // 2001 has no leap day, which the year of this run may have.
        bench.write(MANIFEST, text.replace("2001-02-29T", "2001-02-28T"));
        bench.resign();
    };
    with(&expired, 4, "manifest: expired 2001-");
}

#[test]
fn a_wrong_sha256_is_refused_even_when_the_root_is_right() {
    let bench = Bench::signed();
    let text = bench.read(MANIFEST);
    let at = text.find("\"sha256\": \"").unwrap() + 11;
    let other = if &text[at..=at] == "0" { "1" } else { "0" };
    let mut text = text.clone();
    text.replace_range(at..=at, other);
    bench.write(MANIFEST, text);
    bench.resign();
    bench.fails(&["verify", "fw.img"], 4, "image fw.img: sha256: ");
}

#[test]
fn inspect_tells_the_kinds_apart() {
    let bench = Bench::signed();
    for (file, kind) in [
        ("fw.img", "kind: image"),
        (MANIFEST, "kind: manifest"),
        (SIGNATURE, "kind: signature"),
        ("id", "kind: private key"),
        ("id.pub", "kind: public key"),
    ] {
        let text = bench.ok(&["inspect", file]);
        assert!(text.contains(kind), "{file}: {text}");
        let json = bench.ok(&["inspect", file, "--json"]);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(kind, format!("kind: {}", json["kind"].as_str().unwrap()));
    }
    let secret = bench.read("id");
    let secret_line = secret.lines().nth(3).unwrap();
    assert!(!bench.ok(&["inspect", "id"]).contains(secret_line));
    bench.write(
        "bad",
        "-----BEGIN SSH SIGNATURE-----\n!\n-----END SSH SIGNATURE-----\n",
    );
    bench.fails(&["inspect", "bad"], 4, "bad: signature armor: not base64");
    bench.fails(&["inspect", "missing"], 1, "missing: no such file");
}

#[test]
fn wrong_usage_ends_with_1_and_help_with_0() {
    let bench = Bench::new();
    for args in [
        &[][..],
        &["nonsense"],
        &["sign"],
        &["completions", "csh"],
        &["verify", "--x"],
    ] {
        assert_eq!(bench.run(args).status.code(), Some(1), "{args:?}");
    }
    assert!(bench.ok(&["--help"]).contains("Exit codes:"));
    assert!(bench.ok(&["--version"]).starts_with("linecast "));
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            bench.ok(&["completions", shell]).contains("keygen"),
            "{shell}"
        );
    }
}

const NAMESPACE: &str = "linecast-manifest@v1";
const MANIFEST: &str = "fw.img.manifest.json";
const SIGNATURE: &str = "fw.img.manifest.json.sig";
