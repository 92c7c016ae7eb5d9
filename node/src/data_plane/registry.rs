//! Which lanes have a session or wait for one (CHK-402).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    net::TcpStream,
    sync::{Notify, oneshot},
};

use super::{DataPlaneError, LanePath};

/// What a connection is for: a digest that only the parties of one contract can form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route(pub [u8; 32]);

/// The number of a connection among those of one job, from 0.
pub type Lane = u16;

/// Lanes in use on this node.
#[derive(Debug, Default)]
pub(super) struct Registry {
    lanes: Mutex<HashMap<(Route, Lane), Place>>,
    /// Told whenever a lane begins to wait.
    pub(super) waiting: Notify,
}

/// A connection that has come for a lane.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) stream: TcpStream,
    pub(super) path: LanePath,
}

#[derive(Debug)]
enum Place {
    Waiting(oneshot::Sender<Arrival>),
    Taken,
}

/// The place of one lane; dropping it frees the lane.
#[derive(Debug)]
pub struct Lease {
    registry: Arc<Registry>,
    key: (Route, Lane),
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.key);
    }
}

impl Registry {
    /// Takes a lane to dial it.
    pub(super) fn take(self: &Arc<Self>, route: Route, lane: Lane) -> Result<Lease, DataPlaneError> {
        self.place(route, lane, Place::Taken)
    }

    /// Takes a lane to wait for its connection.
    pub(super) fn wait_for(
        self: &Arc<Self>,
        route: Route,
        lane: Lane,
    ) -> Result<(Lease, oneshot::Receiver<Arrival>), DataPlaneError> {
        let (sender, arrival) = oneshot::channel();
        let lease = self.place(route, lane, Place::Waiting(sender))?;
        self.waiting.notify_one();
        Ok((lease, arrival))
    }

    /// The waiting end of a lane, which is taken from then on.
    pub(super) fn claim(&self, route: Route, lane: Lane) -> Option<oneshot::Sender<Arrival>> {
        let mut lanes = self.lock();
        let place = lanes.get_mut(&(route, lane))?;
        match std::mem::replace(place, Place::Taken) {
            Place::Waiting(sender) if !sender.is_closed() => Some(sender),
            Place::Waiting(_) | Place::Taken => None,
        }
    }

    /// Puts a claimed end back, because the connection turned out to be dead.
    pub(super) fn give_back(&self, route: Route, lane: Lane, sender: oneshot::Sender<Arrival>) {
        // Without a place, whoever waited has left.
        if let Some(place) = self.lock().get_mut(&(route, lane)) {
            *place = Place::Waiting(sender);
        }
    }

    pub(super) fn lanes(&self) -> usize {
        self.lock().len()
    }

    fn place(self: &Arc<Self>, route: Route, lane: Lane, place: Place) -> Result<Lease, DataPlaneError> {
        let key = (route, lane);
        let mut lanes = self.lock();
        if lanes.contains_key(&key) {
            return Err(DataPlaneError::Duplicate { lane });
        }
        lanes.insert(key, place);
        Ok(Lease { registry: self.clone(), key })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Route, Lane), Place>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
