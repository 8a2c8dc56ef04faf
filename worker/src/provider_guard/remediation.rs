//! Remedies for configuration errors that Stytch reports, for the log and `guestlist status`.

use guestlist_domain::HealthIssue;

/// A configuration problem and its fix. Both are parts of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remediation {
    /// For example `Stytch refused the secret`.
    pub problem: String,
    /// For example `set STYTCH_SECRET`.
    pub fix: String,
}

/// Returns the remedy for a configuration error. `authenticate_url` is the URL that links lead to.
pub fn remediation(issue: &HealthIssue, authenticate_url: &str) -> Remediation {
    let code = issue.code.as_str();
    let (problem, fix) = match code {
        "unauthorized_credentials" | "invalid_secret_authentication" => {
            ("Stytch refused the secret", "set STYTCH_SECRET")
        }
        "invalid_project_id_authentication" | "invalid_project_id" | "project_not_found" => {
            ("Stytch does not know the project", "set STYTCH_PROJECT_ID")
        }
        "wrong_stack_test"
        | "wrong_stack_live"
        | "unauthorized_project_id_test"
        | "unauthorized_project_id_live"
        | "live_id_used_in_test_environment"
        | "test_id_used_in_live_environment" => (
            "STYTCH_PROJECT_ID and STYTCH_BASE_URL belong to different environments",
            "set STYTCH_PROJECT_ID, or remove STYTCH_BASE_URL",
        ),
        "organization_suspended" => ("Stytch suspended the account", "contact Stytch"),
        "captcha_required" => {
            ("Stytch requires a CAPTCHA", "turn CAPTCHA off for this project in Stytch's dashboard")
        }
        "email_template_not_found" => (
            "the email template does not exist at Stytch",
            "see Email templates in Stytch's dashboard",
        ),
        "invalid_session_duration" | "invalid_session_duration_minutes" => {
            ("the session duration exceeds Stytch's limit", "lower SESSION_DURATION_MINUTES")
        }
        _ if matches!(code, "use_https" | "route_not_found" | "not_configured")
            || code.starts_with("http_3") =>
        {
            ("the configured URL is not Stytch's API", "set STYTCH_BASE_URL, or remove it")
        }
        _ if code.contains("redirect_url") || code.ends_with("magic_link_url") => (
            "Stytch does not accept the URL that links lead to",
            &*format!("register {authenticate_url} in Stytch's dashboard, or set PUBLIC_URL"),
        ),
        _ => (
            &*format!("Stytch refuses the configuration ({code}: {})", issue.message),
            "see Stytch's dashboard",
        ),
    };
    Remediation { problem: problem.to_owned(), fix: fix.to_owned() }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn remediation_for(code: &str) -> Remediation {
        let (since, message) = (Timestamp::UNIX_EPOCH, "why".to_owned());
        let issue = HealthIssue { since, code: code.to_owned(), message };
        remediation(&issue, "https://guests.example.com/authenticate")
    }

    #[test]
    fn each_refusal_names_the_setting_to_change() {
        for (code, word) in [
            ("unauthorized_credentials", "STYTCH_SECRET"),
            ("project_not_found", "STYTCH_PROJECT_ID"),
            ("route_not_found", "STYTCH_BASE_URL"),
            ("http_301", "STYTCH_BASE_URL"),
            ("invalid_invite_magic_link_url", "https://guests.example.com/authenticate"),
            ("no_match_for_provided_magic_link_url", "register"),
            ("no_invite_redirect_urls_set", "register"),
            ("something_new", "dashboard"),
        ] {
            assert!(
                remediation_for(code).fix.contains(word),
                "{code}: {:?}",
                remediation_for(code)
            );
        }
        assert!(remediation_for("something_new").problem.contains("something_new: why"));
    }
}
