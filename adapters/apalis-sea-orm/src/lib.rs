//! apalis-sea-orm
