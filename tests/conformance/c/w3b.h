// W3bStream's ABI as a C program imports it.
#pragma once
#include <stdint.h>

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define HANDLER(name) __attribute__((export_name(#name))) int32_t name

IMPORT("env", "ws_log") int32_t ws_log(int32_t level, const void *at, uint32_t size);
IMPORT("env", "ws_get_data") int32_t ws_get_data(int32_t rid, void **at, uint32_t *size);
IMPORT("env", "ws_set_data") int32_t ws_set_data(int32_t rid, const void *at, uint32_t size);
IMPORT("env", "ws_get_db")
int32_t ws_get_db(const void *key, uint32_t key_size, void **at, uint32_t *size);
IMPORT("env", "ws_set_db")
int32_t ws_set_db(const void *key, uint32_t key_size, const void *at, uint32_t size);
IMPORT("env", "ws_get_env")
int32_t ws_get_env(const void *key, uint32_t key_size, void **at, uint32_t *size);
IMPORT("env", "ws_get_mqtt_msg")
int32_t ws_get_mqtt_msg(int32_t rid, void **topic, uint32_t *topic_size, void **at, uint32_t *size);
IMPORT("env", "ws_send_tx_with_operator")
int32_t ws_send_tx_with_operator(int32_t chain, const void *tx, uint32_t tx_size, void **at, uint32_t *size);
IMPORT("env", "ws_get_sql_db")
int32_t ws_get_sql_db(const void *query, uint32_t query_size, void **at, uint32_t *size);
IMPORT("env", "ws_set_sql_db") int32_t ws_set_sql_db(const void *statement, uint32_t size);
IMPORT("env", "ws_api_call")
int32_t ws_api_call(const void *request, uint32_t request_size, void **at, uint32_t *size);
IMPORT("w3b", "file_put")
int32_t w3b_file_put(const void *name, uint32_t name_size, const void *at, uint32_t size);
IMPORT("w3b", "file_get")
int32_t w3b_file_get(const void *name, uint32_t name_size, void **at, uint32_t *size);
IMPORT("env", "ws_send_mqtt_msg")
int32_t ws_send_mqtt_msg(const void *topic, uint32_t topic_size, const void *at, uint32_t size);
IMPORT("stat", "ws_submit_metrics") int32_t ws_submit_metrics(const void *at, uint32_t size);
