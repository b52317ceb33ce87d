//! Without feature `grpc` there is no gRPC: the configuration refuses it, and what is refused there is not sent.

use std::io;
use std::time::Duration;

use super::{Answer, Body, Wire};
use crate::config::Route;
use crate::signal::Signal;

#[derive(Debug, Default)]
pub(super) struct Connections(());

/// No way.
#[derive(Debug)]
pub(super) struct Grpc;

impl Connections {
    pub(super) fn way(&mut self, _: Signal, _: &Route) -> io::Result<Grpc> {
        Ok(Grpc)
    }
}

impl Wire for Grpc {
    fn send(&self, _: &Body, _: Duration) -> Answer {
        Answer::Refused { why: "gRPC needs highwater's cargo feature `grpc`".to_owned() }
    }
}
