/* Silences: see silence.h.  Layer act; jobs on the writer thread. */
#include "silence.h"
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "hours.h"

enum { MATCHER_MAX = 512 };
static const int64_t kept_ms = 30LL * 24 * 3600 * 1000, longest_ms = SILENCE_MAX_DAYS * 24LL * 3600 * 1000;

const struct store_migration silence_migrations[] = {
    {"silence", 1,
     "CREATE TABLE silences (tenant TEXT NOT NULL, id TEXT NOT NULL, matchers TEXT NOT NULL, every TEXT, from_ms INTEGER NOT NULL,"
     "  until_ms INTEGER NOT NULL, reason TEXT NOT NULL, author TEXT NOT NULL, created_ms INTEGER NOT NULL,"
     "  PRIMARY KEY (tenant, id)) STRICT, WITHOUT ROWID;"
     "CREATE INDEX silences_by_end ON silences (tenant, until_ms);"},
    {NULL, 0, NULL},
};

struct given { json_t *matchers, *every; const char *from, *until, *reason; };
const struct su_field silence_fields[] = {
    SU_FIELD(struct given, matchers, SU_FIELD_OBJECT, .is_required = true,
             .help = "Globs, all of which must match: watch, key, level, event, action, trigger, stream"),
    SU_FIELD(struct given, from, SU_FIELD_TEXT, .help = "When it begins; default now"),
    SU_FIELD(struct given, until, SU_FIELD_TEXT, .is_required = true, .help = "When it ends: a time, or a duration from now (2h)"),
    SU_FIELD(struct given, reason, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = SILENCE_REASON_MAX, .help = "Why, for people"),
    SU_FIELD(struct given, every, SU_FIELD_OBJECT,
             .help = "Only in these hours: {\"days\": [\"sun\"], \"from\": \"02:00\", \"to\": \"04:00\", \"zone\": \"Europe/Berlin\"}"),
    SU_FIELD_END};

/* --- making ---------------------------------------------------------------------- */

static const char *const matcher_names[] = {"watch", "key", "level", "event", "action", "trigger", "stream"};

static bool check_matchers(const json_t *matchers, struct su_err *err)
{
    const char *name;
    json_t *value;
    if (json_object_size(matchers) == 0)
        return su_fail_field(err, SU_INVALID, "/matchers", "matchers: needs at least one; {\"watch\": \"*\"} is every watch");
    json_object_foreach ((json_t *)(uintptr_t)matchers, name, value) {
        bool is_known = false;
        for (size_t i = 0; i < SU_COUNT(matcher_names); i++)
            is_known |= strcmp(name, matcher_names[i]) == 0;
        if (!is_known)
            return su_fail_field(err, SU_INVALID, "/matchers", "matchers.%.40s: there are watch, key, level, event, action, trigger and stream", name);
        if (!json_is_string(value) || json_string_length(value) == 0 || json_string_length(value) > MATCHER_MAX)
            return su_fail_field(err, SU_INVALID, "/matchers", "matchers.%.40s: must be a text of 1..%d bytes", name, MATCHER_MAX);
    }
    return true;
}

static bool read_time(const char *text, const char *field, int64_t now_ms, int64_t *ret, struct su_err *err)
{
    uint64_t duration;
    if (su_str_duration_ms(su_str_of(text), &duration) && (int64_t)duration <= longest_ms)
        *ret = now_ms + (int64_t)duration;
    else if (!su_time_parse(su_str_of(text), ret))
        return su_fail_field(err, SU_INVALID, field, "%s: must be a time (2026-01-31T12:00:00Z) or a duration from now (2h), was \"%.40s\"", field + 1, text);
    return true;
}

struct making { const char *tenant, *user, *reason, *id; char *matchers, *every; int64_t from_ms, until_ms, now_ms; };

static bool read_given(const json_t *body, struct making *m, struct su_err *err)
{
    struct given given = {0};
    struct hours hours;
    if (!su_json_bind(body, silence_fields, &given, err) || !check_matchers(given.matchers, err)
        || (given.every && !hours_read(given.every, "/every", &hours, err)))
        return false;
    m->from_ms = m->now_ms;
    if ((given.from && !read_time(given.from, "/from", m->now_ms, &m->from_ms, err)) || !read_time(given.until, "/until", m->now_ms, &m->until_ms, err))
        return false;
    if (m->until_ms <= m->now_ms || m->until_ms <= m->from_ms || m->until_ms - m->now_ms > longest_ms)
        return su_fail_field(err, SU_INVALID, "/until", "until: must come after now and after \"from\", within %d days", SILENCE_MAX_DAYS);
    m->reason = given.reason;
    m->matchers = su_json_text(given.matchers);
    m->every = given.every ? su_json_text(given.every) : NULL;
    return true;
}

static bool make_job(struct sql *db, void *arg, struct su_err *err)
{
    struct making *m = arg;
    int64_t count;
    if (!sql_run(db, err, "DELETE FROM silences WHERE tenant = ?1 AND until_ms < ?2", sql_text(m->tenant), sql_int(m->now_ms - kept_ms))
        || !sql_get_int(db, 0, &count, err, "SELECT count(*) FROM silences WHERE tenant = ?1 AND until_ms > ?2", sql_text(m->tenant), sql_int(m->now_ms)))
        return false;
    if (count >= SILENCES_MAX)
        return su_fail(err, SU_LIMIT, "there are %d silences, the most there may be; end some first", SILENCES_MAX);
    return sql_run(db, err,
                   "INSERT INTO silences (tenant, id, matchers, every, from_ms, until_ms, reason, author, created_ms)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                   sql_text(m->tenant), sql_text(m->id), sql_text(m->matchers), sql_text(m->every), sql_int(m->from_ms), sql_int(m->until_ms),
                   sql_text(m->reason), sql_text(m->user), sql_int(m->now_ms));
}

static void publish(struct su_bus *bus, const char *tenant, const char *event, const char *id, const char *reason, const char *user)
{
    SU_AUTO_FREE char *topic = su_format("tenant/%s", tenant);
    SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:s, s:s}", "id", id, "reason", reason, "user", user);
    su_bus_publish(bus, topic, event, detail);
}

/* --- reading ----------------------------------------------------------------------- */

#define SILENCE_COLUMNS "id, matchers, every, from_ms, until_ms, reason, author, created_ms"

static json_t *row_json(struct sql_row *row)
{
    char from[SU_TIME_TEXT], until[SU_TIME_TEXT], created[SU_TIME_TEXT];
    const char *every = sql_col_text(row, 2);
    json_t *hours = every ? json_loads(every, 0, NULL) : NULL;
    return json_pack("{s:s, s:o, s:o, s:s, s:s, s:s, s:s, s:s, s:b}", "id", sql_col_text(row, 0), "matchers", json_loads(sql_col_text(row, 1), 0, NULL),
                     "every", hours ? hours : json_null(), "from", su_time_text(sql_col_int(row, 3), from), "until",
                     su_time_text(sql_col_int(row, 4), until), "reason", sql_col_text(row, 5), "author", sql_col_text(row, 6), "created_at",
                     su_time_text(sql_col_int(row, 7), created), "ended", sql_col_int(row, 4) <= su_now_ms());
}

static bool get(struct store *store, const char *tenant, const char *id, json_t **ret, struct su_err *err)
{
    STORE_READ(store, db);
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT " SILENCE_COLUMNS " FROM silences WHERE tenant = ?1 AND id = ?2", sql_text(tenant), sql_text(id));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_DONE)
        return su_fail(err, SU_NOT_FOUND, "there is no silence %.40s", id);
    if (next == SQL_ROW)
        *ret = row_json(row);
    return next == SQL_ROW;
}

bool silence_make(struct store *store, struct su_bus *bus, const char *tenant, const json_t *given, const char *user, json_t **ret, struct su_err *err)
{
    char id[SU_ID_SIZE];
    struct making making = {.tenant = tenant, .user = user, .id = su_id(id), .now_ms = su_now_ms()};
    if (!read_given(given, &making, err))
        return false;
    SU_AUTO_FREE char *matchers = making.matchers, *every = making.every;
    if (!store_write(store, make_job, &making, err))
        return false;
    publish(bus, tenant, "silence.made", id, making.reason, user);
    return get(store, tenant, id, ret, err);
}

bool silence_list(struct store *store, const char *tenant, bool is_ended, json_t **ret_items, struct su_err *err)
{
    int64_t now = su_now_ms();
    STORE_READ(store, db);
    SQL_AUTO_END struct sql_row *row = sql_query(db, err,
                                                 "SELECT " SILENCE_COLUMNS " FROM silences WHERE tenant = ?1 AND until_ms > ?2 ORDER BY until_ms",
                                                 sql_text(tenant), sql_int(is_ended ? now - kept_ms : now));
    SU_AUTO_JSON json_t *items = json_array();
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW)
        json_array_append_new(items, row_json(row));
    if (next != SQL_DONE)
        return false;
    *ret_items = su_take(items);
    return true;
}

struct ending { const char *tenant, *id; };

static bool end_job(struct sql *db, void *arg, struct su_err *err)
{
    struct ending *ending = arg;
    return sql_run(db, err, "UPDATE silences SET until_ms = min(until_ms, ?3) WHERE tenant = ?1 AND id = ?2", sql_text(ending->tenant),
                   sql_text(ending->id), sql_int(su_now_ms()));
}

bool silence_end(struct store *store, struct su_bus *bus, const char *tenant, const char *id, const char *user, struct su_err *err)
{
    SU_AUTO_JSON json_t *silence = NULL;
    if (!get(store, tenant, id, &silence, err) || !store_write(store, end_job, &(struct ending){tenant, id}, err))
        return false;
    publish(bus, tenant, "silence.ended", id, su_json_string(silence, "reason", ""), user);
    return true;
}

/* --- matching ------------------------------------------------------------------------ */

static bool matches(const json_t *matchers, const struct silence_about *about)
{
    const char *const values[] = {about->watch, about->key, about->level, about->event, about->action, about->trigger, about->stream};
    for (size_t i = 0; i < SU_COUNT(values); i++) {
        const char *glob = su_json_string(matchers, matcher_names[i], NULL);
        if (glob && (!values[i] || !values[i][0] || fnmatch(glob, values[i], 0) != 0))
            return false;
    }
    return true;
}

static bool holds_at(struct sql_row *row, const struct hours *hours, int64_t at_us)
{
    return at_us >= sql_col_int(row, 3) * 1000 && at_us < sql_col_int(row, 4) * 1000 && (!hours || hours_hold(hours, at_us));
}

static bool is_silenced(struct sql_row *row, const struct silence_about *about, int64_t at_us, int64_t now_us)
{
    struct su_err ignored;
    struct hours hours;
    SU_AUTO_JSON json_t *matchers = json_loads(sql_col_text(row, 1), 0, NULL);
    SU_AUTO_JSON json_t *every = sql_col_is_null(row, 2) ? NULL : json_loads(sql_col_text(row, 2), 0, NULL);
    if (!matches(matchers, about) || (every && !hours_read(every, "/every", &hours, &ignored)))
        return false;
    return holds_at(row, every ? &hours : NULL, at_us) || holds_at(row, every ? &hours : NULL, now_us);
}

bool silence_find(struct sql *db, const char *tenant, const struct silence_about *about, int64_t at_us, int64_t now_us, char **ret, struct su_err *err)
{
    int64_t earliest_ms = (at_us < now_us ? at_us : now_us) / 1000;
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT " SILENCE_COLUMNS " FROM silences WHERE tenant = ?1 AND until_ms > ?2 ORDER BY until_ms",
                                                 sql_text(tenant), sql_int(earliest_ms));
    enum sql_next next = SQL_ERROR;
    *ret = NULL;
    while (row && !*ret && (next = sql_step(row, err)) == SQL_ROW)
        if (is_silenced(row, about, at_us, now_us))
            *ret = su_format("silence %s of %s: %s", sql_col_text(row, 0), sql_col_text(row, 6), sql_col_text(row, 5));
    return next != SQL_ERROR;
}
