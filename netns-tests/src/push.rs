//! Receivers and a sender, run together to their ends.

use crate::PROGRAM_LIMIT;
use crate::images::Image;
use crate::program::{Outcome, Program};
use crate::site::Site;
use std::path::Path;

/// A push of one image to all receivers of a site.
#[derive(Debug)]
pub struct Push<'a> {
    site: &'a Site,
    image: &'a Image,
    push: Vec<String>,
    receive: Vec<String>,
}

/// How everybody ended.
#[derive(Debug)]
pub struct Pushed {
    /// The sender.
    pub sender: Outcome,
    /// The receivers, in order.
    pub receivers: Vec<Outcome>,
}

impl<'a> Push<'a> {
    /// A push with default flags, apart from the number of receivers.
    pub fn of(site: &'a Site, image: &'a Image) -> Push<'a> {
        Push {
            site,
            image,
            push: Vec::new(),
            receive: Vec::new(),
        }
    }

    /// More arguments for the sender.
    pub fn push_args(mut self, arguments: &[&str]) -> Push<'a> {
        self.push.extend(arguments.iter().map(|&a| a.to_owned()));
        self
    }

    /// More arguments for every receiver.
    pub fn receive_args(mut self, arguments: &[&str]) -> Push<'a> {
        self.receive.extend(arguments.iter().map(|&a| a.to_owned()));
        self
    }

    /// More arguments for both.
    pub fn args(self, arguments: &[&str]) -> Push<'a> {
        self.push_args(arguments).receive_args(arguments)
    }

    /// Starts everybody.
    pub fn start(self) -> (Program, Vec<Program>) {
        let count = self.site.lab().receivers().len();
        let receive: Vec<&str> = self.receive.iter().map(String::as_str).collect();
        let receivers = (0..count).map(|i| self.site.receive(i, &receive)).collect();
        let count = count.to_string();
        let mut push = vec!["--receivers", &count];
        push.extend(self.push.iter().map(String::as_str));
        (self.site.push(self.image, &push), receivers)
    }

    /// Starts everybody and waits for all.
    pub fn run(self) -> Pushed {
        let (sender, receivers) = self.start();
        Pushed::wait(sender, receivers)
    }
}

impl Pushed {
    /// Waits for everybody.
    pub fn wait(sender: Program, receivers: Vec<Program>) -> Pushed {
        Pushed {
            sender: sender.finish(PROGRAM_LIMIT),
            receivers: receivers
                .into_iter()
                .map(|receiver| receiver.finish(PROGRAM_LIMIT))
                .collect(),
        }
    }

    /// Panics unless every exit code is 0 and every receiver has the image, by
    /// the sender's report, by its own, and byte for byte.
    #[track_caller]
    pub fn assert_complete(&self, image: &Image) -> &Pushed {
        self.sender.assert_code(0);
        assert_eq!(self.sender.text("/outcome"), "ok");
        let heard = self.sender.report["receivers"].as_array();
        let heard = heard.expect("a list of receivers");
        assert_eq!(heard.len(), self.receivers.len(), "{:#?}", self.sender);
        for receiver in heard {
            assert_eq!(receiver["state"], "complete", "{:#?}", self.sender);
            assert_eq!(receiver["verified"], true, "{:#?}", self.sender);
        }
        for receiver in &self.receivers {
            assert_has(receiver, image);
        }
        self
    }

    /// Image symbols sent for each source symbol.
    #[track_caller]
    pub fn expansion(&self) -> f64 {
        self.sender.number("/sent/expansion")
    }
}

/// Panics unless this receiver ended well and has the image.
#[track_caller]
pub(crate) fn assert_has(receiver: &Outcome, image: &Image) {
    receiver.assert_code(0);
    assert_eq!(receiver.text("/outcome"), "ok");
    image.assert_same(Path::new(receiver.text("/path")));
}

impl Outcome {
    /// Panics unless this receiver ended well and has the image.
    #[track_caller]
    pub fn assert_has(&self, image: &Image) {
        assert_has(self, image);
    }
}
