//! Pushes under attack, one after the other on the same machines.

use super::attacks::{Attack, Scene};
use super::ground::Ground;
use super::launcher::{Launched, Launcher, Origin};
use super::processes::{Watched, watch};
use super::release::{Release, clear_target, identity};
use super::trial::Trial;
use super::wiretap::Wiretap;
use crate::program::Program;
use crate::site::Site;
use linecast_lab::{LabConfig, Loss, Node};
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 192, 76, 67), 7_600);
/// An image that is pushed to be recorded.
const PRELUDE_BYTES: u64 = 8 << 20;
const PRELUDE_LIMIT: Duration = Duration::from_secs(60);
/// How long an attack lasts before there is anybody to attack, and then before
/// there is a sender.
const EARLY: Duration = Duration::from_millis(300);
/// Longer than a receiver that says nothing holds the others up.
const PAUSE: Range<Duration> = Duration::from_millis(500)..Duration::from_secs(6);
/// Longer than a session must be silent before receivers follow another.
const SILENCE: Duration = Duration::from_millis(2_500);
/// Of the time that a push may take, for the sender to say that it took too long.
const REPORT_TIME: Duration = Duration::from_secs(3);

/// What all trials of an arena have in common.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Honest receivers, at least one.
    pub receivers: usize,
    /// Bytes of the image.
    pub size_bytes: u64,
    /// `--rate` of the push.
    pub rate: String,
    /// Packets a second of an attack.
    pub per_second: u64,
    /// Whether attacks begin with the first symbol of the image, not before
    /// anybody is there.
    pub late: bool,
    /// Longest time of one push.
    pub limit: Duration,
}

/// A lab with honest machines, and one more that is not.
#[derive(Debug)]
pub struct Arena {
    site: Site,
    settings: Settings,
    release: Release,
    prelude: Release,
    wiretap: Wiretap,
    roster: PathBuf,
    /// Of honest receivers, as reports name them.
    ids: Vec<String>,
}

impl Arena {
    /// Brings it up, and runs one push so that the attacker knows everybody.
    ///
    /// # Panics
    /// Where even that fails, or without root.
    pub fn up(settings: Settings) -> Arena {
        let config = LabConfig {
            receivers: settings.receivers + 1,
            ipv6: false,
            ..LabConfig::default()
        };
        let copies = settings.receivers as u64 + 1;
        // Room for what is staged beside what is there.
        let room = copies * (settings.size_bytes + 2 * PRELUDE_BYTES) + (256 << 20);
        let site = Site::with_room(config, room);
        let release = Release::write(site.path(), "image", settings.size_bytes);
        let prelude = Release::write(site.path(), "prelude", PRELUDE_BYTES);
        let wiretap = Wiretap::start(site.lab(), site.lab().receiver(settings.receivers), GROUP);
        let roster = site.path().join("roster");
        let mut arena = Arena {
            site,
            settings,
            release,
            prelude,
            wiretap,
            roster,
            ids: Vec::new(),
        };
        arena.learn_keys();
        arena
    }

    fn attacker(&self) -> &Node {
        self.site.lab().receiver(self.settings.receivers)
    }

    /// A push of the prelude: receivers make their keys, which become the roster.
    fn learn_keys(&mut self) {
        let scene = Scene {
            loss_per_mille: 0,
            trust: true,
            sender_trust: false,
            roster: false,
            recorded: false,
            pause: false,
            silence: false,
            table: false,
        };
        let mut programs = vec![self.push(&self.prelude, scene, "500mbit", None)];
        programs.extend(self.receivers(scene));
        let ended = watch(programs, PRELUDE_LIMIT, None);
        let line = |(index, receiver): (usize, &Watched)| {
            let outcome = &receiver.outcome;
            outcome.assert_code(0);
            let key = outcome.text("/public_key").split(' ').take(2);
            let key: Vec<&str> = key.collect();
            format!("device-{index} {}\n", key.join(" "))
        };
        let lines: String = ended[1..].iter().enumerate().map(line).collect();
        let id = |receiver: &Watched| receiver.outcome.text("/id").to_owned();
        self.ids = ended[1..].iter().map(id).collect();
        fs::write(&self.roster, lines).expect("a tmpfs with room");
    }

    /// One push, under attack or not.
    pub fn run(&self, scene: Scene, attack: Option<(&Attack, Origin)>) -> Trial {
        let recording = self.prepare(scene);
        let installed = self.installed();
        let ground = Ground {
            sender: SocketAddrV4::new(self.site.lab().sender().address_v4, GROUP.port()),
            group: GROUP,
            recording: Arc::new(recording),
        };
        let launch = || {
            let (attack, origin) = attack?;
            let pace = attack.pace(self.settings.per_second);
            let how = (origin, pace, self.settings.late);
            let generator = attack.arm(&ground);
            let shared = self.wiretap.shared();
            Some(Launcher::start(self.attacker(), shared, how, generator))
        };
        let (receivers, launcher) = if scene.silence {
            let receivers = self.receivers(scene);
            self.break_off(scene);
            let launcher = launch();
            thread::sleep(SILENCE);
            (receivers, launcher)
        } else {
            let launcher = launch();
            thread::sleep(EARLY);
            let receivers = self.receivers(scene);
            thread::sleep(EARLY);
            (receivers, launcher)
        };
        let began = Instant::now();
        let mut programs = vec![self.push_in_time(scene)];
        programs.extend(receivers);
        let pause = scene.pause.then_some(PAUSE);
        let ended = watch(programs, self.settings.limit, pause);
        let elapsed = began.elapsed();
        let launched = launcher.map_or(Launched::default(), Launcher::finish);
        Trial {
            resumes: scene.silence,
            replaced_files: installed != self.installed(),
            strangers: attack.is_some_and(|(attack, _)| attack.takes_part) && !scene.roster,
            ..Trial::of(&self.release, &self.ids, &ended, elapsed, launched)
        }
    }

    /// Sets the scene; returns what was recorded for it.
    fn prepare(&self, scene: Scene) -> Vec<Vec<u8>> {
        let loss = Loss::percent(f64::from(scene.loss_per_mille) / 10.0);
        for receiver in 0..self.settings.receivers {
            clear_target(&self.site.target(receiver));
            let set = self.site.lab().set_loss(receiver, loss);
            set.expect("loss of a lab can be set");
        }
        if scene.recorded {
            self.record_prelude(scene)
        } else {
            Vec::new()
        }
    }

    /// A push that has time to say that it took too long.
    fn push_in_time(&self, scene: Scene) -> Program {
        let deadline = self.settings.limit.saturating_sub(REPORT_TIME);
        let deadline = format!("{}s", deadline.as_secs().max(1));
        let rate = &self.settings.rate;
        self.push(&self.release, scene, rate, Some(&deadline))
    }

    /// A push that is killed with half of the image sent.
    fn break_off(&self, scene: Scene) {
        let since = self.site.sent_bytes();
        let sender = self.push(&self.release, scene, &self.settings.rate, None);
        self.site.await_sent(since, self.release.size_bytes / 2);
        sender.kill();
    }

    /// The files that the prelude has left in place.
    fn installed(&self) -> Vec<Option<(u64, i64, i64)>> {
        let mut files = Vec::new();
        for receiver in 0..self.settings.receivers {
            let entries = fs::read_dir(self.site.target(receiver))
                .into_iter()
                .flatten();
            let mut images: Vec<PathBuf> = entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.is_file() && self.prelude.is_in(path))
                .collect();
            images.sort();
            files.extend(images.iter().map(|path| identity(path)));
        }
        files
    }

    /// Pushes the prelude where the attacker can record every packet of it.
    fn record_prelude(&self, scene: Scene) -> Vec<Vec<u8>> {
        let lab = self.site.lab();
        lab.cut_trains(self.attacker(), true).expect("ethtool");
        self.wiretap.record();
        let mut programs = vec![self.push(&self.prelude, scene, "100mbit", None)];
        programs.extend(self.receivers(scene));
        for ended in watch(programs, PRELUDE_LIMIT, None) {
            ended.outcome.assert_code(0);
        }
        lab.cut_trains(self.attacker(), false).expect("ethtool");
        self.wiretap.recording()
    }

    fn push(&self, release: &Release, scene: Scene, rate: &str, deadline: Option<&str>) -> Program {
        let count = self.settings.receivers.to_string();
        let mut arguments = vec!["push", text(&release.image)];
        if !scene.table {
            arguments.push("--json");
        }
        arguments.extend(["--key", text(&release.key), "--receivers", &count]);
        if scene.sender_trust {
            arguments.extend(["--sender-key", text(&release.key)]);
        }
        if scene.roster {
            arguments.extend(["--roster", text(&self.roster)]);
        }
        arguments.extend(["--rate", rate]);
        if let Some(deadline) = deadline {
            arguments.extend(["--deadline", deadline]);
        }
        self.site.start(self.site.lab().sender(), &arguments)
    }

    fn receivers(&self, scene: Scene) -> Vec<Program> {
        let trusted = text(&self.release.trust);
        let mut arguments = Vec::new();
        if scene.trust {
            arguments.extend(["--trust", trusted]);
        }
        if scene.sender_trust {
            arguments.extend(["--sender-trust", trusted]);
        }
        (0..self.settings.receivers)
            .map(|receiver| self.site.receive(receiver, &arguments))
            .collect()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are UTF-8")
}
