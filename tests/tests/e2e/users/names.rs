//! Names of users: invisible and bidirectional characters, and normalization.

use guestlist_tests::{Engine, Guestlist, id, on_every_engine, user_path};
use serde_json::json;

#[tokio::test]
async fn names_with_invisible_characters_are_refused() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let api = guestlist.api();
    let bob = json!({ "email": "bob@example.com" });
    let bob = api.post("/v1/users", &bob).await.is(201).json();
    for (name, words) in [
        ("Eve \u{202e}moc.elpmaxe@ssob", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("Eve\u{2066}", "U+2066 LEFT-TO-RIGHT ISOLATE"),
        ("\u{200b}", "no visible character"),
        ("\u{3164}", "no visible character"),
        ("\u{1b}[31mEve", "U+001B ESCAPE"),
    ] {
        let body = json!({ "email": "eve@example.com", "name": name });
        for response in [
            api.post("/v1/users", &body).await,
            api.post("/v1/invitations", &body).await,
            api.patch(&user_path(&bob), &json!({ "name": name })).await,
        ] {
            let problem = response.problem(422, "invalid_request");
            assert_eq!(response.pointers(), ["/name"]);
            assert!(problem.to_string().contains(words), "{name:?}: {problem}");
        }
        let file = guestlist.folder().join("guests.csv");
        std::fs::write(&file, format!("email,name\neve@example.com,{name}\n")).unwrap();
        let refused = guestlist.run(&["invite", "--csv", file.to_str().unwrap()]).await;
        assert!(refused.code == Some(1) && refused.stdout.contains(words), "{refused:?}");
        let key = guestlist.run(&["keys", "create", "--name", name]).await;
        assert!(key.code != Some(0) && key.stderr.contains(words), "{key:?}");
    }
    assert_eq!(guestlist.users().await.len(), 1);
    // Joiners and marks that a script needs are kept.
    for name in ["علی\u{200c}رضا", "👩\u{200d}🚀", "\u{200f}שרה"] {
        let body = json!({ "name": name });
        let response = api.patch(&user_path(&bob), &body).await.is(200);
        assert_eq!(response.json()["name"], name);
    }
}

#[tokio::test]
async fn names_are_normalized() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(0).start().await;
        for (email, name) in [
            ("a@example.com", "Zoë Ångström"),
            ("b@example.com", "Zoe\u{308} A\u{30a}ngstro\u{308}m"),
        ] {
            let body = json!({ "email": email, "name": name });
            let added = guestlist.api().post("/v1/users", &body).await.is(201).json();
            assert_eq!(added["name"], "Zoë Ångström");
        }
        for q in ["zo%C3%AB", "ZOE%CC%88", "zoe%CC%88%20a%CC%8Angstr%C3%B6m"] {
            let found = guestlist.api().get(&format!("/v1/users?q={q}")).await.is(200).json();
            assert_eq!(found["items"].as_array().unwrap().len(), 2, "{q}: {found}");
        }
    })
    .await;
}

#[tokio::test]
async fn pages_isolate_names_and_addresses() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let mut admin = guestlist.admin().await;
    let body = json!({ "email": "ada@example.com", "name": "\u{5e9}\u{5e8}\u{5d4}" });
    let ada = guestlist.api().post("/v1/users", &body).await.is(201).json();
    let me = format!("<bdi>{}</bdi>", guestlist.admin_email);
    for page in ["/".to_owned(), format!("/users/{}", id(&ada))] {
        let shown = admin.get(&page).await.is(200).body;
        for words in ["<bdi>\u{5e9}\u{5e8}\u{5d4}</bdi>", "<bdi>ada@example.com</bdi>", &me] {
            assert!(shown.contains(words), "{page}: {words}: {shown}");
        }
    }
    let audit = admin.get("/audit").await.is(200).body;
    assert!(audit.contains("<bdi>ada@example.com</bdi>"), "{audit}");
}
