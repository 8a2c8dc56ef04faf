//! The tables of the first version.

use crate::table::{
    Table, big_integer, flag, index, index_newest_first, integer, long_text, medium_text, sha256,
    table, text, time, unique, uuid,
};

/// The primary key of `user_emails` makes addresses unique, also where `users` is sharded by id.
/// `tombstones` and `removed_addresses` record deleted users.
pub(crate) fn users() -> Vec<Table> {
    let users = vec![
        uuid("id").primary_key().take(),
        text("email", 254),
        text("name", 200).null().take(),
        // In lower case, which can be longer.
        text("name_key", 400).null().take(),
        // The length of the common prefix of address and name. By this column a search by name
        // skips the users that it has found by address.
        integer("common_prefix_len").default(0).take(),
        text("role", 16),
        text("status", 16),
        long_text("metadata"),
        text("provider_user_id", 128).null().take(),
        time("created_at"),
        time("last_seen_at").null().take(),
        big_integer("version"),
    ];
    let indexes = vec![
        index("users_email", &["email"]),
        index_newest_first("users_name_key", &["common_prefix_len", "name_key"]),
        index("users_role", &["role", "id"]),
        index("users_role_status", &["role", "status", "id"]),
        index("users_role_status_email", &["role", "status", "email"]),
        index_newest_first(
            "users_role_status_name_key",
            &["role", "status", "common_prefix_len", "name_key"],
        ),
        index("users_status", &["status", "id"]),
        unique("users_provider_user_id", &["provider_user_id"]),
    ];
    let user_emails = vec![text("email", 254).primary_key().take(), uuid("user_id")];
    let tombstones =
        vec![text("provider_user_id", 128).primary_key().take(), uuid("user_id"), time("at")];
    let removed_addresses = vec![sha256("hash").primary_key().take()];
    vec![
        table("users", users, indexes),
        table("user_emails", user_emails, vec![]),
        table("tombstones", tombstones, vec![]),
        table("removed_addresses", removed_addresses, vec![]),
    ]
}

/// `open_email` is the address while the invitation is open, so that its unique index allows one open
/// invitation per address.
pub(crate) fn invitations() -> Vec<Table> {
    let columns = vec![
        uuid("id").primary_key().take(),
        uuid("user_id"),
        text("email", 254),
        text("open_email", 254).null().take(),
        text("name", 200).null().take(),
        text("role", 16),
        long_text("metadata"),
        long_text("return_to").null().take(),
        text("invited_by_type", 16),
        uuid("invited_by_id").null().take(),
        text("invited_by_name", 255).null().take(),
        uuid("batch_id").null().take(),
        text("status", 16),
        text("held_by", 16).null().take(),
        integer("delivery"),
        integer("attempts"),
        time("next_attempt_at").null().take(),
        text("last_error_code", 64).null().take(),
        long_text("last_error_message").null().take(),
        time("last_error_at").null().take(),
        time("in_doubt_since").null().take(),
        flag("as_login"),
        time("created_at"),
        time("resent_at").null().take(),
        time("sent_at").null().take(),
        time("visited_at").null().take(),
        time("accepted_at").null().take(),
        time("expires_at"),
        big_integer("version"),
    ];
    let indexes = vec![
        unique("invitations_open_email", &["open_email"]),
        index_newest_first("invitations_email", &["email"]),
        index("invitations_user", &["user_id", "id"]),
        index("invitations_status", &["status", "id"]),
        index_newest_first("invitations_status_email", &["status", "email"]),
        index("invitations_expiry", &["status", "expires_at"]),
    ];
    vec![table("invitations", columns, indexes)]
}

/// The timelines of invitations and the audit log.
pub(crate) fn events() -> Vec<Table> {
    let columns = vec![
        uuid("id").primary_key().take(),
        text("kind", 32),
        time("at"),
        text("actor_type", 16),
        uuid("actor_id").null().take(),
        text("actor_name", 255).null().take(),
        text("from_ip", 45).null().take(),
        uuid("user_id").null().take(),
        uuid("invitation_id").null().take(),
        long_text("detail"),
    ];
    let indexes = vec![
        index("events_invitation", &["invitation_id", "id"]),
        index("events_user", &["user_id", "id"]),
        index("events_actor_type", &["actor_type", "id"]),
        index("events_actor", &["actor_id", "id"]),
        index("events_kind", &["kind", "id"]),
    ];
    vec![table("events", columns, indexes)]
}

/// Sessions, and the login requests and links that lead to them.
pub(crate) fn sessions() -> Vec<Table> {
    let sessions = vec![
        uuid("id").primary_key().take(),
        uuid("user_id"),
        text("provider_session_id", 128),
        sha256("token_hash"),
        time("started_at"),
        time("expires_at"),
        time("last_used_at"),
        text("user_agent", 400).null().take(),
        text("ip", 64).null().take(),
        time("ended_at").null().take(),
        text("end_reason", 32).null().take(),
    ];
    let session_indexes = vec![
        unique("sessions_token_hash", &["token_hash"]),
        unique("sessions_provider_session_id", &["provider_session_id"]),
        index("sessions_user", &["user_id", "id"]),
        index("sessions_expiry", &["expires_at"]),
    ];
    let login_requests = vec![
        uuid("id").primary_key().take(),
        text("email", 254),
        big_integer("ordinal"),
        long_text("return_to").null().take(),
        time("at"),
        time("send_at"),
    ];
    let login_request_indexes = vec![
        unique("login_requests_ordinal", &["email", "ordinal"]),
        index("login_requests_at", &["at"]),
    ];
    let used_links =
        vec![sha256("token_hash").primary_key().take(), uuid("user_id").null().take(), time("at")];
    let link_claims = vec![sha256("token_hash").primary_key().take(), time("claimed_until")];
    vec![
        table("sessions", sessions, session_indexes),
        table("login_requests", login_requests, login_request_indexes),
        table("used_links", used_links, vec![index("used_links_at", &["at"])]),
        table(
            "link_claims",
            link_claims,
            vec![index("link_claims_claimed_until", &["claimed_until"])],
        ),
    ]
}

pub(crate) fn api_keys() -> Vec<Table> {
    let columns = vec![
        uuid("id").primary_key().take(),
        text("name", 255),
        sha256("hash"),
        text("prefix", 32),
        long_text("scopes"),
        time("created_at"),
        time("last_used_at").null().take(),
        time("revoked_at").null().take(),
        big_integer("version"),
    ];
    vec![table("api_keys", columns, vec![unique("api_keys_hash", &["hash"])])]
}

/// Counters that make two concurrent changes conflict which write no row in common.
pub(crate) fn guards() -> Vec<Table> {
    let columns = vec![text("name", 32).primary_key().take(), big_integer("version")];
    vec![table("guards", columns, vec![])]
}

/// Idempotency keys and the responses to their requests.
pub(crate) fn idempotency_keys() -> Vec<Table> {
    let columns = vec![
        sha256("key_hash").primary_key().take(),
        sha256("request_hash"),
        text("state", 16),
        time("lease_until"),
        integer("status").null().take(),
        long_text("headers").null().take(),
        medium_text("content").null().take(),
        time("created_at"),
    ];
    let indexes = vec![index("idempotency_keys_created", &["created_at"])];
    vec![table("idempotency_keys", columns, indexes)]
}

/// The results of reconciliations with Stytch.
pub(crate) fn reconciliations() -> Vec<Table> {
    let columns = vec![
        uuid("id").primary_key().take(),
        time("started_at"),
        time("finished_at"),
        text("repair_action", 16),
        big_integer("users"),
        big_integer("identities"),
        // A JSON object, by kind.
        long_text("counts"),
    ];
    vec![table("reconciliations", columns, vec![])]
}
