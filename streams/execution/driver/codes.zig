//! W3bStream's result codes, as its functions return them to programs.
pub const ok: i32 = 0;
pub const resource_not_found: i32 = 2;
pub const to_vm_failed: i32 = 5;
pub const from_vm_failed: i32 = 6;
pub const env_key_not_found: i32 = 8;
pub const no_db: i32 = 9;
pub const param_illegal: i32 = 10;
pub const failed: i32 = -1;
