/* Structured logs: one JSON line per event on standard error.  Layer base; any thread.
 * su_log(SU_LOG_INFO, "object.put", su_kv_text("name", name), su_kv_int("bytes", n)); */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "err.h"

enum su_log_level { SU_LOG_DEBUG, SU_LOG_INFO, SU_LOG_WARNING, SU_LOG_ERROR, SU_LOG_LEVEL_COUNT };
enum su_kv_kind { SU_KV_END, SU_KV_TEXT, SU_KV_INT, SU_KV_NUMBER };
struct su_kv { enum su_kv_kind kind; const char *key; const char *text; int64_t integer; double number; };

static inline struct su_kv su_kv_text(const char *key, const char *text) { return (struct su_kv){.kind = SU_KV_TEXT, .key = key, .text = text}; }
static inline struct su_kv su_kv_int(const char *key, int64_t value) { return (struct su_kv){.kind = SU_KV_INT, .key = key, .integer = value}; }
static inline struct su_kv su_kv_number(const char *key, double value) { return (struct su_kv){.kind = SU_KV_NUMBER, .key = key, .number = value}; }

#define su_log(level, event, ...) \
    su_log_write((level), (event), (const struct su_kv[]){__VA_ARGS__ __VA_OPT__(,) {.kind = SU_KV_END}})
/* An error at an edge: code, message, field. */
#define su_log_error(event, err, ...)                                                                                  \
    su_log_write(SU_LOG_ERROR, (event),                                                                                \
                 (const struct su_kv[]){su_kv_text("code", su_code_name((err)->code)),                                 \
                                        su_kv_text("message", (err)->message) __VA_OPT__(, ) __VA_ARGS__,              \
                                        {.kind = SU_KV_END}})
void su_log_write(enum su_log_level level, const char *event, const struct su_kv *fields);
/* Process-wide threshold, set once by main before threads start (default info). */
void su_log_set_level(enum su_log_level level);
bool su_log_level_parse(const char *name, enum su_log_level *ret);
