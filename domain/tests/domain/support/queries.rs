//! Queries of the simulation's state, and common setups.

use std::time::Duration;

use guestlist_domain::flows::LoggedIn;
use guestlist_domain::{
    Event, Invitation, InvitationId, InvitationStatus, Job, JobId, ReadInvitations, Role, Session,
    User, UserStatus,
};

use super::{
    Call, Fault, InFlight, Interruption, JobRow, Link, Mail, MailKind, Simulation, at, block_on,
};

impl Simulation {
    pub(crate) fn user(&self, name: &str) -> Option<User> {
        self.store.tables().users.values().find(|user| user.email == at(name)).cloned()
    }

    pub(crate) fn expect_user(&self, name: &str) -> User {
        self.user(name).expect("a user of that address")
    }

    pub(crate) fn status(&self, name: &str) -> Option<UserStatus> {
        self.user(name).map(|user| user.status)
    }

    /// Returns the current state of an invitation.
    pub(crate) fn again(&self, invitation: &Invitation) -> Invitation {
        self.invitation(invitation.id)
    }

    pub(crate) fn invitation(&self, id: InvitationId) -> Invitation {
        self.store.tables().invitations.get(&id).cloned().expect("the invitation")
    }

    /// Returns all invitations of an address, newest first.
    pub(crate) fn invitations(&self, name: &str) -> Vec<Invitation> {
        let tables = self.store.tables();
        let newest_first = tables.invitations.values().rev();
        newest_first.filter(|invitation| invitation.email == at(name)).cloned().collect()
    }

    pub(crate) fn timeline(&self, invitation: &Invitation) -> Vec<Event> {
        block_on(self.store.timeline(invitation.id)).expect("the store is there")
    }

    /// Returns the kinds of an invitation's events, oldest first.
    pub(crate) fn event_kinds(&self, invitation: &Invitation) -> Vec<&'static str> {
        self.timeline(invitation).iter().map(|event| event.kind.as_str()).collect()
    }

    /// Returns the kinds of a user's events outside of invitations.
    pub(crate) fn event_kinds_of(&self, user: &User) -> Vec<&'static str> {
        let tables = self.store.tables();
        let theirs = tables.events.values().filter(|event| event.user_id == Some(user.id));
        theirs.filter(|e| e.invitation_id.is_none()).map(|event| event.kind.as_str()).collect()
    }

    /// Returns the mails of an address, oldest first.
    pub(crate) fn inbox(&self, name: &str) -> Vec<Mail> {
        let stytch = self.provider.state();
        stytch.mails.iter().filter(|mail| mail.to == at(name)).cloned().collect()
    }

    pub(crate) fn mail_kinds(&self, name: &str) -> Vec<MailKind> {
        self.inbox(name).iter().map(|mail| mail.kind).collect()
    }

    /// Returns the token of the newest mail's link.
    pub(crate) fn link(&self, name: &str) -> String {
        self.inbox(name).last().expect("a mail").token.clone()
    }

    /// Returns the state of the newest mail's link at the provider.
    pub(crate) fn link_state(&self, name: &str) -> Link {
        self.inbox(name).last().expect("a mail").link
    }

    pub(crate) fn jobs<J: Job>(&self) -> Vec<JobRow> {
        let tables = self.store.tables();
        tables.jobs.values().filter(|row| row.job.kind == J::KIND).cloned().collect()
    }

    /// Returns the newest job of a kind.
    pub(crate) fn job<J: Job>(&self) -> JobRow {
        self.jobs::<J>().pop().expect("a job of that kind")
    }

    pub(crate) fn job_id<J: Job>(&self) -> JobId {
        self.job::<J>().job.id
    }

    pub(crate) fn sessions(&self, user: &User) -> Vec<Session> {
        let tables = self.store.tables();
        tables.sessions.values().filter(|session| session.user_id == user.id).cloned().collect()
    }

    /// Runs jobs for a time, advancing the clock to each job's due time.
    pub(crate) fn work_for(&self, time: Duration) {
        let until = self.now() + time;
        loop {
            self.work();
            let next = {
                let tables = self.store.tables();
                let waiting = tables.jobs.values().filter(|row| row.is_waiting());
                // Jobs that are due now are in a paused queue.
                waiting.map(|row| row.run_at).filter(|at| *at > self.now()).min()
            };
            let next = next.filter(|next| *next < until).unwrap_or(until);
            self.wait(next.duration_since(self.now()).unsigned_abs());
            if next == until {
                return self.work();
            }
        }
    }

    /// Performs a due job without settling it.
    pub(crate) fn perform_next(&self) -> InFlight {
        self.perform(self.claim().expect("a job that is due"), Interruption::None)
    }

    pub(crate) fn invited(&self, name: &str) -> Invitation {
        self.invite(name).expect("invited")
    }

    /// Creates a sent invitation.
    pub(crate) fn sent(&self, name: &str) -> Invitation {
        let invitation = self.invited(name);
        self.work();
        let invitation = self.again(&invitation);
        assert_eq!(invitation.status, InvitationStatus::Sent);
        invitation
    }

    /// Creates an invitation that ended with a status.
    pub(crate) fn ended(&self, name: &str, status: InvitationStatus) -> Invitation {
        let invitation = self.invited(name);
        match status {
            InvitationStatus::Failed => {
                let no = super::errors::rejected("inactive_email");
                self.provider.refuses(Call::SendInvite, 1, &no);
                self.work();
            }
            InvitationStatus::Expired => {
                self.work();
                self.wait(super::days(7));
                self.sweep();
            }
            InvitationStatus::Revoked => {
                self.revoke(invitation.id).expect("revoked");
                self.work();
            }
            other => unreachable!("{other} needs a login"),
        }
        let invitation = self.again(&invitation);
        assert_eq!(invitation.status, status);
        invitation
    }

    /// Creates an invitation whose worker was lost during the call.
    pub(crate) fn lost_delivery(&self, name: &str, fault: Fault) -> Invitation {
        let invitation = self.invited(name);
        self.provider.next(Call::SendInvite, fault);
        let _dies = self.perform_next();
        self.rescue();
        invitation
    }

    /// Invites a user and logs them in.
    pub(crate) fn logged_in(&self, name: &str) -> LoggedIn {
        self.sent(name);
        self.redeem(&self.link(name)).expect("logged in")
    }

    /// Adds an administrator and logs them in.
    pub(crate) fn admin(&self, name: &str) -> LoggedIn {
        self.add(name, Role::Admin).expect("added");
        self.log_in(name).expect("asked");
        self.work();
        self.redeem(&self.link(name)).expect("logged in")
    }
}
