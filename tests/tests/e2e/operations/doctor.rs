//! The command `guestlist doctor`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use guestlist_tests::{Engine, Guestlist, on_every_engine};
use serde_json::Value;

async fn checks(guestlist: &Guestlist) -> (Option<i32>, Vec<(String, String, String)>) {
    let finished = guestlist.run(&["doctor", "--json"]).await;
    let checks: Value =
        serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{finished:?}"));
    let text = |check: &Value, name: &str| check[name].as_str().unwrap().to_owned();
    let check = |check: &Value| (text(check, "check"), text(check, "state"), text(check, "detail"));
    (finished.code, checks.as_array().unwrap().iter().map(check).collect())
}

fn state<'a>(checks: &'a [(String, String, String)], name: &str) -> &'a str {
    let found = checks.iter().find(|check| check.0 == name);
    found.map_or_else(|| panic!("no {name}: {checks:?}"), |check| &check.1)
}

#[tokio::test]
async fn doctor_reports_a_missing_schema() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).prepare().await;
        let (code, found) = checks(&guestlist).await;
        assert_eq!((code, state(&found, "database")), (Some(1), "failed"), "{found:?}");
        assert!(found.iter().any(|check| check.2.contains("guestlist migrate up")), "{found:?}");
        let _ = guestlist.run_ok(&["migrate", "up"]).await;
        let (code, found) = checks(&guestlist).await;
        assert_eq!((code, state(&found, "database")), (Some(0), "ok"), "{found:?}");
        let table = guestlist.run_ok(&["doctor"]).await;
        assert!(
            table.lines().any(|line| line.starts_with("ok") && line.contains("database")),
            "{table}"
        );
    })
    .await;
}

#[tokio::test]
async fn doctor_warns_of_risky_settings_and_fails_for_invalid_ones() {
    let mut guestlist = Guestlist::split(Engine::Sqlite).prepare().await;
    let _ = guestlist.run_ok(&["migrate", "up"]).await;
    guestlist.set_env("PUBLIC_URL", "http://guests.example.com");
    guestlist.set_env("TRUSTED_PROXIES", "::/0");
    let file = guestlist.folder().join("guestlist.db");
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let (code, found) = checks(&guestlist).await;
    assert_eq!(code, Some(0), "a warning is no failure: {found:?}");
    for setting in ["PUBLIC_URL", "TRUSTED_PROXIES", "DATABASE_URL"] {
        assert_eq!(state(&found, setting), "warning", "{found:?}");
    }
    guestlist.set_env("APP_ORIGINS", "https://*.example.com");
    guestlist.set_env("PUBLIC_URL", "https://ada:hunter2@guests.example.com");
    let (code, found) = checks(&guestlist).await;
    assert_eq!(code, Some(1), "{found:?}");
    for setting in ["PUBLIC_URL", "APP_ORIGINS"] {
        assert_eq!(state(&found, setting), "failed", "{found:?}");
    }
    assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
}
