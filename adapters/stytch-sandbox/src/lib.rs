//! stytch-sandbox
