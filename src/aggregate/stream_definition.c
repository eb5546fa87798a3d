/* What a stream's definition says: JSON to struct stream.  Layer aggregate; pure. */
#include <stdlib.h>
#include <string.h>
#include "amqp_definition.h"
#include "derived.h"
#include "object.h"
#include "stream_private.h"

enum { DESCRIPTION_MAX = 4096, DURATION_MAX_DAYS = 3660, PATH_MAX_BYTES = 512 };
#define DAY_US (86400LL * 1000000)

struct definition {
    json_t *source, *time, *retention, *limits;
    const char *format, *key, *delay, *skew, *idle, *description;
    bool paused;
};
static const struct su_field fields[] = {
    SU_FIELD(struct definition, source, SU_FIELD_OBJECT,
             .help = "Where messages come from: {\"kind\": push, amqp or derived, …}"),
    SU_FIELD(struct definition, format, SU_FIELD_TEXT, .help = "What a body is: json, ndjson or text"),
    SU_FIELD(struct definition, time, SU_FIELD_OBJECT,
             .help = "{field, format, missing}: where event time stands in a message"),
    SU_FIELD(struct definition, key, SU_FIELD_TEXT, .max = PATH_MAX_BYTES, .help = "Path of the field that is the key"),
    SU_FIELD(struct definition, delay, SU_FIELD_TEXT, .help = "How long the watermark waits for messages out of order"),
    SU_FIELD(struct definition, skew, SU_FIELD_TEXT, .help = "How far event time may be ahead of arrival"),
    SU_FIELD(struct definition, idle, SU_FIELD_TEXT,
             .help = "Quiet for so long, time goes on without messages; 0s: never"),
    SU_FIELD(struct definition, retention, SU_FIELD_OBJECT, .help = "{age, bytes, messages}: what is kept"),
    SU_FIELD(struct definition, limits, SU_FIELD_OBJECT, .help = "{message_bytes, messages_per_s}"),
    SU_FIELD(struct definition, paused, SU_FIELD_BOOL, .help = "The source rests"),
    SU_FIELD(struct definition, description, SU_FIELD_TEXT, .max = DESCRIPTION_MAX, .help = "For people"),
    SU_FIELD_END};

struct time_part {
    const char *field, *format, *missing;
};
static const struct su_field time_fields[] = {
    SU_FIELD(struct time_part, field, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = PATH_MAX_BYTES),
    SU_FIELD(struct time_part, format, SU_FIELD_TEXT), SU_FIELD(struct time_part, missing, SU_FIELD_TEXT),
    SU_FIELD_END};

struct retention_part {
    const char *age;
    int64_t bytes, messages;
};
static const struct su_field retention_fields[] = {
    SU_FIELD(struct retention_part, age, SU_FIELD_TEXT),
    SU_FIELD(struct retention_part, bytes, SU_FIELD_INT, .min = 0, .max = 1e15),
    SU_FIELD(struct retention_part, messages, SU_FIELD_INT, .min = 0, .max = 1e15), SU_FIELD_END};

struct limits_part {
    int64_t message_bytes, messages_per_s;
};
static const struct su_field limits_fields[] = {
    SU_FIELD(struct limits_part, message_bytes, SU_FIELD_INT, .min = 0, .max = 64 << 20),
    SU_FIELD(struct limits_part, messages_per_s, SU_FIELD_INT, .min = 0, .max = 1e9), SU_FIELD_END};

/* A word out of a list, by its number. */
static bool word_of(const char *field, const char *text, const char *const *words, unsigned count, unsigned *ret,
                    struct su_err *err)
{
    SU_AUTO_BUF struct su_buf all = SU_BUF(1024);
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(words[i], text) == 0) {
            *ret = i;
            return true;
        }
        su_buf_addf(&all, "%s%s", i == 0 ? "" : i + 1 == count ? " or " : ", ", words[i]);
    }
    return su_fail_field(err, SU_INVALID, field, "%s must be %s, was \"%.64s\"", field + 1, su_buf_str(&all).ptr, text);
}

static bool duration_of(const char *field, const char *text, int64_t *ret_us, struct su_err *err)
{
    uint64_t ms;
    if (text == NULL)
        return true;
    if (!su_str_duration_ms(su_str_of(text), &ms) || ms > (uint64_t)DURATION_MAX_DAYS * 86400000)
        return su_fail_field(err, SU_INVALID, field,
                             "%s must be a time like 500ms, 30s, 5m, 2h or 7d, at most %dd, was \"%.64s\"", field + 1,
                             DURATION_MAX_DAYS, text);
    *ret_us = (int64_t)ms * 1000;
    return true;
}

static bool bind_part(const json_t *part, const char *name, const struct su_field *table, void *target,
                      struct su_err *err)
{
    if (part == NULL)
        return true;
    if (su_json_bind(part, table, target, err))
        return true;
    char inner[sizeof err->field];
    snprintf(inner, sizeof inner, "/%s%.100s", name, err->field);
    memcpy(err->field, inner, sizeof inner);
    return su_prefix(err, "%s", name);
}

static bool read_time(const json_t *part, struct stream *ret, struct su_err *err)
{
    static const char *const formats[STREAM_TIME_FORMAT_COUNT] = {"auto", "s", "ms", "us", "ns", "rfc3339"};
    static const char *const missing[] = {"refuse", "arrival"};
    struct time_part time = {.format = "auto", .missing = "refuse"};
    unsigned format, otherwise;
    if (!bind_part(part, "time", time_fields, &time, err) ||
        !word_of("/time/format", time.format, formats, STREAM_TIME_FORMAT_COUNT, &format, err) ||
        !word_of("/time/missing", time.missing, missing, SU_COUNT(missing), &otherwise, err))
        return false;
    ret->time_field = su_strdup(time.field);
    ret->time_format = (enum stream_time_format)format;
    ret->time_may_miss = otherwise == 1;
    return true;
}

static bool read_source(json_t *source, struct stream *ret, struct su_err *err)
{
    static const char *const kinds[] = {"push", "amqp", "derived"};
    unsigned kind;
    const char *text = su_json_string(source, "kind", NULL);
    if (text == NULL)
        return su_fail_field(err, SU_INVALID, "/source/kind", "source.kind must be push, amqp or derived");
    if (!word_of("/source/kind", text, kinds, SU_COUNT(kinds), &kind, err))
        return false;
    ret->source = (enum stream_source)kind;
    if (ret->source == STREAM_DERIVED)
        return derived_definition_check(source, err);
    return ret->source != STREAM_AMQP || amqp_definition_check(source, err);
}

static bool read_numbers(const struct definition *given, struct stream *ret, struct su_err *err)
{
    struct retention_part retention = {.age = "7d"};
    struct limits_part limits = {0};
    int64_t age_us = 0;
    if (!bind_part(given->retention, "retention", retention_fields, &retention, err) ||
        !bind_part(given->limits, "limits", limits_fields, &limits, err) ||
        !duration_of("/retention/age", retention.age, &age_us, err) ||
        !duration_of("/delay", given->delay, &ret->delay_us, err) ||
        !duration_of("/skew", given->skew, &ret->skew_us, err) ||
        !duration_of("/idle", given->idle, &ret->idle_us, err))
        return false;
    if (ret->idle_us > 0 && ret->idle_us < 100000)
        return su_fail_field(err, SU_INVALID, "/idle", "idle must be 0s (never) or at least 100ms, was \"%s\"",
                             given->idle);
    ret->retention = (struct log_retention){
        .before_us = age_us, .bytes = (uint64_t)retention.bytes, .messages = (uint64_t)retention.messages};
    ret->message_bytes = (uint64_t)limits.message_bytes;
    ret->messages_per_s = (uint64_t)limits.messages_per_s;
    return true;
}

/* What was given, with what was left out; the source's own fields are its module's to check. */
static json_t *complete(const json_t *given)
{
    static const char *const standard = "{\"source\":{\"kind\":\"push\"},\"format\":\"json\",\"delay\":\"0s\",\"skew\":"
                                        "\"1m\",\"idle\":\"0s\",\"retention\":{\"age\":\"7d\","
                                        "\"bytes\":0,\"messages\":0},\"limits\":{\"message_bytes\":0,\"messages_per_"
                                        "s\":0},\"paused\":false,\"description\":\"\"}";
    json_t *all = json_loads(standard, 0, NULL);
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)given, name, value)
    {
        json_t *inner = json_object_get(all, name);
        if (json_is_object(inner) && json_is_object(value) && strcmp(name, "source") != 0)
            json_object_update(inner, value);
        else
            json_object_set_new(all, name, json_deep_copy(value));
    }
    return all;
}

bool stream_definition_read(const json_t *given, struct stream *ret, struct su_err *err)
{
    static const char *const formats[STREAM_FORMAT_COUNT] = {"json", "ndjson", "text"};
    struct definition all = {.format = "json"};
    unsigned format;
    if (!json_is_object(given))
        return su_fail(err, SU_INVALID, "a stream's definition is a JSON object");
    ret->definition = complete(given);
    if (!su_json_bind(ret->definition, fields, &all, err) ||
        !word_of("/format", all.format, formats, STREAM_FORMAT_COUNT, &format, err))
        return false;
    ret->format = (enum stream_format)format;
    ret->source_json = all.source;
    ret->is_paused = all.paused;
    ret->key_field = su_strdup(all.key);
    if (!read_source(all.source, ret, err) || (all.time && !read_time(all.time, ret, err)) ||
        !read_numbers(&all, ret, err))
        return false;
    if (ret->format == STREAM_TEXT && (ret->time_field || ret->key_field))
        return su_fail_field(err, SU_INVALID, ret->time_field ? "/time" : "/key",
                             "a stream of text has no fields: leave time and key out");
    return true;
}

bool stream_name_check(const char *name, bool is_ours, struct su_err *err)
{
    static const char *const taken[] = {"messages",  "tail",  "windows",      "query", "columns",
                                        "consumers", "stats", "dead-letters", "verify", "series"};
    if (!object_name_check(su_str_of(name), err))
        return false;
    if ((name[0] == '_') != is_ours)
        return su_fail_field(err, SU_INVALID, "name", "names of streams that begin with \"_\" are Suricate's own");
    struct su_str rest = su_str_of(name), segment, tail;
    for (bool has_more = true; has_more; rest = tail) {
        has_more = su_str_cut(rest, '/', &segment, &tail);
        for (size_t i = 0; i < SU_COUNT(taken); i++)
            if (su_str_equal(segment, su_str_of(taken[i])))
                return su_fail_field(err, SU_INVALID, "name",
                                     "no part of a stream's name may be \"%s\": addresses below a stream use it",
                                     taken[i]);
    }
    return true;
}
