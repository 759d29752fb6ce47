//! Everything that W3bStream's Rust SDK offers, as a program written with it uses it.

use anyhow::{Context, Result};
use serde_json::{json, Value};
use ws_sdk::blockchain::{call_contract, send_tx};
use ws_sdk::database::{kv, sql};
use ws_sdk::log::{log_error, log_info};
use ws_sdk::metrics::submit_metrics;
use ws_sdk::stream::mqtt::publish;
use ws_sdk::stream::{get_data, get_env, set_data};

/// The handler's code: what went wrong is logged as programs do it.
fn told(outcome: Result<()>) -> i32 {
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            let _ = log_error(&format!("{error:#}"));
            -1
        }
    }
}

fn payload(rid: i32) -> Result<Value> {
    Ok(serde_json::from_slice(&get_data(rid as u32)?)?)
}

#[no_mangle]
pub extern "C" fn start(rid: i32) -> i32 {
    told((|| {
        let event = payload(rid)?;
        log_info(&format!("speed {}", event["speed"]))?;
        set_data(rid as u32, b"put in its place".to_vec())?;
        log_info(&String::from_utf8(get_data(rid as u32)?)?)
    })())
}

#[no_mangle]
pub extern "C" fn keyed(_rid: i32) -> i32 {
    told((|| {
        let count = match kv::get("count") {
            Ok(bytes) => String::from_utf8(bytes)?.parse::<u64>()?,
            Err(_) => 0,
        };
        kv::set("count", (count + 1).to_string().into_bytes())?;
        kv::set("empty", Vec::new())
    })())
}

#[no_mangle]
pub extern "C" fn environment(_rid: i32) -> i32 {
    told((|| {
        log_info(&get_env("KEY")?)?;
        get_env("ABSENT").map(|_| ())
    })())
}

#[no_mangle]
pub extern "C" fn register(rid: i32) -> i32 {
    told((|| {
        let event = payload(rid)?;
        let device = event["device"].as_str().context("no device")?;
        let picture = event["picture"].as_str().unwrap_or("").as_bytes().to_vec();
        let active = event["active"].as_bool().unwrap_or(false);
        let speed = event["speed"].as_f64().unwrap_or(0.0);
        let odometer = event["odometer"].as_i64().unwrap_or(0);
        sql::execute(
            "INSERT INTO cars (device, active, speed, odometer, picture) VALUES (?,?,?,?,?);",
            &[&device, &active, &speed, &odometer, &picture],
        )?;
        let found = sql::query("SELECT device, active, speed, odometer FROM cars WHERE device = ?;", &[&device])?;
        log_info(&String::from_utf8(found)?)
    })())
}

#[no_mangle]
pub extern "C" fn outside(_rid: i32) -> i32 {
    told((|| {
        publish("alerts", b"too fast")?;
        submit_metrics(json!({"speed": 131}))?;
        let to = "0x00000000000000000000000000000000000000aa";
        let hash = send_tx(4690, to, "0", "0x1234")?;
        log_info(if hash.is_empty() { "no hash" } else { "a hash" })?;
        call_contract(4690, to, "0x1234").map(|_| ())
    })())
}

#[no_mangle]
pub extern "C" fn panicking(_rid: i32) -> i32 {
    let none: Option<i32> = None;
    none.unwrap()
}
