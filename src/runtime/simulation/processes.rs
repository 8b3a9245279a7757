//! Processes come, take their turns, leave, or are gone.

use super::world::{Event, Ghost, Process, Status, World};

impl World {
    pub(super) fn turn(&self, at: usize) {
        let instance = &self.instances[at];
        let process = Process { instance: at, life: instance.life.get() };
        let Some(mut post) = instance.post.borrow_mut().take() else { return };
        self.tell(Event::Turn(at));
        let done = post.turn();
        if self.crashed.borrow().contains(&process) {
            return;
        }
        if let Err(error) = done {
            self.fail(format!("{} stopped: {error}", instance.id));
        }
        if instance.life.get() == process.life {
            *instance.post.borrow_mut() = Some(post);
        }
    }

    pub(super) fn start(&self, at: usize) {
        self.tell(Event::Start(at));
        let instance = &self.instances[at];
        instance.life.set(instance.life.get() + 1);
        let process = Process { instance: at, life: instance.life.get() };
        *instance.post.borrow_mut() = Some(self.workplace.post(instance.role, &instance.id, process));
        instance.status.set(Status::Up);
    }

    /// The process is gone, whatever it was doing; its transaction stays open, and its group waits for its session.
    pub(super) fn crash(&self, at: usize) {
        self.tell(Event::Crash(at));
        let instance = &self.instances[at];
        self.crashed.borrow_mut().push(Process { instance: at, life: instance.life.get() });
        self.memory.crash(&instance.id);
        self.ghosts.borrow_mut().push(Ghost { instance: at, since: self.clock.instant() });
        instance.status.set(Status::Away);
        let post = instance.post.borrow_mut().take();
        drop(post);
    }

    pub(super) fn leave(&self, at: usize) {
        let instance = &self.instances[at];
        let process = Process { instance: at, life: instance.life.get() };
        let Some(post) = instance.post.borrow_mut().take() else { return };
        self.tell(Event::Leave(at));
        let left = post.leave();
        if self.crashed.borrow().contains(&process) {
            return;
        }
        instance.status.set(Status::Away);
        if let Err(error) = left {
            self.fail(format!("{} stopped while leaving: {error}", instance.id));
        }
    }

    /// Another process starts under the same name while the old one goes on.
    pub(super) fn replace(&self, at: usize) {
        let instance = &self.instances[at];
        let Some(post) = instance.post.borrow_mut().take() else { return };
        self.tell(Event::Replace(at));
        let before = instance.old.borrow_mut().replace((post, 1 + self.below(3) as u32));
        drop(before);
        self.start(at);
    }

    pub(super) fn turn_of_old(&self, at: usize) {
        let Some((mut post, turns)) = self.instances[at].old.borrow_mut().take() else { return };
        self.tell(Event::OldOneTurns(at));
        if let Err(error) = post.turn() {
            self.fail(format!("the old {} stopped: {error}", self.instances[at].id));
        }
        if turns > 1 {
            *self.instances[at].old.borrow_mut() = Some((post, turns - 1));
        }
    }
}
