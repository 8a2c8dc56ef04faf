//! Text forms of enums: `strum` derives them from the variants' names, in `snake_case`.

/// Adds the inherent counterparts of the traits that `strum` derives, so that callers need not
/// import them.
macro_rules! text_enum {
    ($($type:ident),+ $(,)?) => {$(
        impl $type {
            /// All values, in order of declaration.
            pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

            /// Returns the text used by the API and in the database.
            pub fn as_str(self) -> &'static str {
                self.into()
            }

            /// Parses the text that [`as_str`](Self::as_str) returns.
            pub fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )+};
}
pub(crate) use text_enum;
