/* Consumers, the table and who holds them: see consumer.h.  Layer aggregate; jobs on the writer thread. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "consumer_private.h"

enum { LIVE_MS = 60 * 1000, KEEP_MS = 24 * 3600 * 1000 };

const struct store_migration consumer_migrations[] = {
    {"consumer", 1,
     "CREATE TABLE consumers (id INTEGER PRIMARY KEY AUTOINCREMENT, stream INTEGER NOT NULL, name TEXT NOT NULL,"
     "  every_us INTEGER NOT NULL, slide_us INTEGER NOT NULL, delay_us INTEGER NOT NULL, empty INTEGER NOT NULL,"
     "  revisions INTEGER NOT NULL, begin TEXT NOT NULL,"
     "  offset_min INTEGER NOT NULL, next_us INTEGER NOT NULL, least_us INTEGER NOT NULL, closing INTEGER NOT NULL,"
     "  revised_us INTEGER NOT NULL, keep_from INTEGER NOT NULL, late INTEGER NOT NULL DEFAULT 0,"
     "  epoch INTEGER NOT NULL DEFAULT 0, iterations INTEGER NOT NULL DEFAULT 0, created_ms INTEGER NOT NULL,"
     "  claimed_ms INTEGER NOT NULL DEFAULT 0, claimed_by TEXT, active_ms INTEGER NOT NULL DEFAULT 0,"
     "  last_epoch INTEGER NOT NULL DEFAULT 0, last_start_us INTEGER NOT NULL DEFAULT 0,"
     "  last_revision INTEGER NOT NULL DEFAULT 0, last_answer TEXT, UNIQUE (stream, name)) STRICT;"
     "CREATE TABLE consumer_revisions (consumer INTEGER NOT NULL, start_us INTEGER NOT NULL, revision INTEGER NOT NULL,"
     "  PRIMARY KEY (consumer, start_us)) STRICT, WITHOUT ROWID;"},
    {NULL, 0, NULL},
};

/* --- rows -------------------------------------------------------------------- */

void consumer_row_done(struct consumer_row *row)
{
    free(row->begin);
    free(row->claimed_by);
    free(row->last_answer);
}

#define ROW_COLUMNS                                                                                                    \
    "id, name, every_us, slide_us, delay_us, empty, revisions, begin, offset_min, next_us, least_us, closing,"         \
    " revised_us, keep_from, late, epoch, iterations, created_ms, claimed_ms, claimed_by, active_ms, last_epoch,"      \
    " last_start_us, last_revision, last_answer"

static void read_row(struct sql_row *row, struct consumer_row *ret)
{
    *ret = (struct consumer_row){
        .id = sql_col_int(row, 0),
        .spec = {sql_col_int(row, 2), sql_col_int(row, 3), sql_col_int(row, 4), sql_col_int(row, 5) != 0},
        .has_revisions = sql_col_int(row, 6) != 0,
        .begin = su_strdup(sql_col_text(row, 7)),
        .position = {(uint64_t)sql_col_int(row, 8), sql_col_int(row, 9), sql_col_int(row, 10), (uint64_t)sql_col_int(row, 11),
                     sql_col_int(row, 12), (uint64_t)sql_col_int(row, 13), sql_col_int(row, 14)},
        .epoch = sql_col_int(row, 15),
        .iterations = sql_col_int(row, 16),
        .created_ms = sql_col_int(row, 17),
        .claimed_ms = sql_col_int(row, 18),
        .claimed_by = su_strdup(sql_col_text(row, 19)),
        .active_ms = sql_col_int(row, 20),
        .last_epoch = sql_col_int(row, 21),
        .last_start_us = sql_col_int(row, 22),
        .last_revision = sql_col_int(row, 23),
        .last_answer = su_strdup(sql_col_text(row, 24)),
    };
    snprintf(ret->name, sizeof ret->name, "%s", sql_col_text(row, 1));
}

static bool no_such_consumer(const struct stream *stream, const char *name, struct su_err *err)
{
    su_fail(err, SU_NOT_FOUND, "the stream \"%.200s\" has no consumer \"%.128s\"", stream->name, name);
    return su_hint(err, "PUT …/consumers/%.128s with {\"every\": \"10s\"} makes it.", name);
}

bool consumer_load(struct sql *db, const struct stream *stream, const char *name, struct consumer_row *ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT " ROW_COLUMNS " FROM consumers WHERE stream = ?1 AND name = ?2",
                                                 sql_int(stream->id), sql_text(name));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next != SQL_ROW)
        return next == SQL_DONE ? no_such_consumer(stream, name, err) : false;
    read_row(row, ret);
    return true;
}

bool consumer_check_epoch(const struct consumer_row *row, int64_t epoch, struct su_err *err)
{
    if (row->epoch == epoch && epoch > 0)
        return true;
    if (row->epoch == 0 || epoch > row->epoch) {
        su_fail_slug(err, "fenced", "consumer \"%s\": epoch %lld was never given", row->name, (long long)epoch);
        return su_hint(err, "Claim the consumer first: its answer has the epoch.");
    }
    su_fail_slug(err, "fenced", "consumer \"%s\": epoch %lld is over, %lld goes on%s%.60s", row->name, (long long)epoch,
                 (long long)row->epoch, row->claimed_by ? ", claimed by " : "", row->claimed_by ? row->claimed_by : "");
    return su_hint(err, "Another follower claimed it, or its owner changed it. Claim it again to take over.");
}

/* --- as JSON ----------------------------------------------------------------- */

static json_t *duration_json(int64_t us)
{
    static const struct { int64_t us; const char *unit; } units[] = {
        {INT64_C(86400000000), "d"}, {INT64_C(3600000000), "h"}, {60000000, "m"}, {1000000, "s"}};
    for (size_t i = 0; i < SU_COUNT(units); i++)
        if (us >= units[i].us && us % units[i].us == 0)
            return json_sprintf("%lld%s", (long long)(us / units[i].us), units[i].unit);
    return us == 0 ? json_string("0s") : json_sprintf("%lldms", (long long)(us / 1000));
}

/* RFC 3339 with microseconds. */
static json_t *time_json(int64_t us)
{
    char text[SU_TIME_TEXT];
    int64_t seconds = us / 1000000 - (us % 1000000 < 0), rest = us - seconds * 1000000;
    su_time_text(seconds * 1000, text);
    return json_sprintf("%.19s.%06lldZ", text, (long long)rest);
}

static json_t *time_ms_json(int64_t ms)
{
    char text[SU_TIME_TEXT];
    return ms ? json_string(su_time_text(ms, text)) : json_null();
}

json_t *consumer_window_json(const struct window *window)
{
    return json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "start", time_json(window->start_us), "end", time_json(window->end_us),
                     "start_us", (json_int_t)window->start_us, "end_us", (json_int_t)window->end_us, "from", (json_int_t)window->from,
                     "to", (json_int_t)window->to, "messages", (json_int_t)window->messages, "revision", (json_int_t)window->revision);
}

json_t *consumer_manifest(const struct stream *stream, const char *name, const struct consumer_offer *offer)
{
    const struct window *window = &offer->window;
    return json_pack("{s:s, s:s, s:I, s:[{s:I, s:I}], s:I, s:I, s:I, s:I}", "stream", stream->name, "consumer", name, "iteration",
                     (json_int_t)offer->iteration, "offsets", "from", (json_int_t)window->from, "to", (json_int_t)window->to,
                     "start_us", (json_int_t)window->start_us, "revision", (json_int_t)window->revision, "definition_version",
                     (json_int_t)offer->definition_version, "schema_version", (json_int_t)offer->schema_version);
}

struct lag { uint64_t messages; double seconds; };     /* seconds: NAN when there is no telling */

/* Messages not yet in a committed window, and how far event time has run ahead. */
static bool lag_of(struct sql *db, const struct stream *stream, const struct consumer_row *row, struct lag *ret, struct su_err *err)
{
    const struct consumer_position *position = &row->position;
    struct log_extent extent;
    if (!log_extent(db, stream->log, &extent, err))
        return false;
    uint64_t seen = position->closing > extent.first ? position->closing : extent.first;
    int64_t since = position->next_us != INT64_MIN ? position->next_us : position->closing <= extent.first ? extent.low_us : INT64_MIN;
    *ret = (struct lag){extent.next > seen ? extent.next - seen : 0, NAN};
    if (since != INT64_MIN && extent.high_us != INT64_MIN)
        ret->seconds = extent.high_us > since ? (double)(extent.high_us - since) / 1e6 : 0.0;
    return true;
}

static bool lag_json(struct sql *db, const struct stream *stream, const struct consumer_row *row, json_t **ret, struct su_err *err)
{
    struct lag lag;
    if (!lag_of(db, stream, row, &lag, err))
        return false;
    *ret = json_pack("{s:I, s:o}", "messages", (json_int_t)lag.messages, "seconds", isnan(lag.seconds) ? json_null() : json_real(lag.seconds));
    return true;
}

static bool row_json(struct sql *db, const struct stream *stream, const struct consumer_row *row, json_t **ret, struct su_err *err)
{
    json_t *lag;
    if (!lag_json(db, stream, row, &lag, err))
        return false;
    bool has_start = row->position.next_us != INT64_MIN;
    *ret = json_pack("{s:s, s:s, s:o, s:o, s:o, s:s, s:b, s:b, s:{s:I, s:o}, s:o, s:I, s:I, s:I, s:o, s:o, s:o}", "name", row->name,
                     "stream", stream->name, "every", duration_json(row->spec.every_us), "slide",
                     row->spec.slide_us ? duration_json(row->spec.slide_us) : json_null(), "delay", duration_json(row->spec.delay_us),
                     "from", row->begin, "revisions", row->has_revisions, "empty", row->spec.with_empty, "position", "offset",
                     (json_int_t)row->position.closing, "window_start", has_start ? time_json(row->position.next_us) : json_null(),
                     "lag", lag, "epoch", (json_int_t)row->epoch, "late", (json_int_t)row->position.late, "iterations",
                     (json_int_t)row->iterations, "created_at", time_ms_json(row->created_ms), "claimed_at",
                     time_ms_json(row->claimed_ms), "claimed_by", su_json_text_or_null(row->claimed_by));
    return true;
}

static bool tell_lag(struct consumers *consumers, struct sql *db, int64_t stream_id, const struct consumer_row *row,
                     void (*each)(void *arg, const char *tenant, double seconds), void *arg, struct su_err *err)
{
    STREAM_AUTO struct stream *stream = NULL;
    struct lag lag;
    if (!stream_by_id(consumers->streams, stream_id, &stream, err))
        return err->code == SU_NOT_FOUND;
    if (!lag_of(db, stream, row, &lag, err))
        return false;
    double beyond = lag.seconds - (double)(row->spec.every_us + row->spec.delay_us) / 1e6;
    each(arg, stream->tenant, beyond > 0 ? beyond : 0);
    return true;
}

bool consumer_lags(struct consumers *consumers, void (*each)(void *arg, const char *tenant, double seconds), void *arg, struct su_err *err)
{
    STORE_READ(consumers->store, db);
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT " ROW_COLUMNS ", stream FROM consumers WHERE active_ms > ?1",
                                                 sql_int(su_now_ms() - KEEP_MS));
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW) {
        CONSUMER_AUTO_ROW struct consumer_row consumer = {0};
        read_row(row, &consumer);
        if (!tell_lag(consumers, db, sql_col_int(row, 25), &consumer, each, arg, err))
            return false;
    }
    return next == SQL_DONE;
}

bool consumer_get(struct consumers *consumers, struct stream *stream, const char *name, json_t **ret, struct su_err *err)
{
    CONSUMER_AUTO_ROW struct consumer_row row = {0};
    STORE_READ(consumers->store, db);
    return consumer_load(db, stream, name, &row, err) && row_json(db, stream, &row, ret, err);
}

bool consumer_list(struct consumers *consumers, struct stream *stream, json_t **ret_items, struct su_err *err)
{
    STORE_READ(consumers->store, db);
    SQL_AUTO_END struct sql_row *found =
        sql_query(db, err, "SELECT " ROW_COLUMNS " FROM consumers WHERE stream = ?1 ORDER BY name", sql_int(stream->id));
    SU_AUTO_JSON json_t *items = json_array();
    enum sql_next next = SQL_ERROR;
    while (found && (next = sql_step(found, err)) == SQL_ROW) {
        CONSUMER_AUTO_ROW struct consumer_row row = {0};
        json_t *item;
        read_row(found, &row);
        if (!row_json(db, stream, &row, &item, err))
            return false;
        json_array_append_new(items, item);
    }
    if (next != SQL_DONE)
        return false;
    *ret_items = su_take(items);
    return true;
}

/* --- where to begin ------------------------------------------------------------ */

static bool is_time(const char *text, int64_t *ret_us)
{
    int64_t ms;
    bool ok = strlen(text) > 10 && su_time_parse(su_str_of(text), &ms);
    if (ok)
        *ret_us = ms * 1000;
    return ok;
}

/* The position that "earliest", "latest", an offset, a time or a duration before now stands for. */
static bool begin_at(struct consumers *consumers, struct sql *db, struct stream *stream, const char *text,
                     struct consumer_position *ret, struct su_err *err)
{
    struct consumer_position position = {.next_us = INT64_MIN, .least_us = INT64_MAX, .revised_us = INT64_MIN};
    bool is_found;
    if (strcmp(text, "earliest") == 0) {
        position.least_us = INT64_MIN;
    } else if (is_time(text, &position.next_us)) {
        position.least_us = position.next_us;
        if (!log_find_time(streams_logs(consumers->streams), db, stream->log, position.next_us, &position.closing, &is_found, err))
            return false;
    } else {
        if (!stream_position(consumers->streams, stream, db, text, &position.offset_min, err))
            return false;
        position.closing = position.offset_min;
    }
    position.keep_from = position.closing;
    *ret = position;
    return true;
}

/* --- making and changing ---------------------------------------------------------- */

struct settings { const char *every, *slide, *delay, *from; bool revisions, empty; };
const struct su_field consumer_fields[] = {
    SU_FIELD(struct settings, every, SU_FIELD_TEXT, .is_required = true, .max = 32, .help = "Length of a window: 1ms … 366d"),
    SU_FIELD(struct settings, slide, SU_FIELD_TEXT, .max = 32, .help = "From one start to the next; absent: the length"),
    SU_FIELD(struct settings, delay, SU_FIELD_TEXT, .max = 32, .help = "Event time to wait for late messages; absent: the stream's"),
    SU_FIELD(struct settings, from, SU_FIELD_TEXT, .max = 64, .help = "Where to begin: earliest, latest (default), an offset or a time"),
    SU_FIELD(struct settings, revisions, SU_FIELD_BOOL, .help = "Give windows again when late messages came for them"),
    SU_FIELD(struct settings, empty, SU_FIELD_BOOL, .help = "Give windows without messages too"),
    SU_FIELD_END};

struct putting {
    struct consumers *consumers;
    struct stream *stream;
    const char *name, *from;
    struct window_spec spec;
    bool has_delay, has_revisions, is_new;
    struct consumer_position position;
};

static bool check_name(const char *name, struct su_err *err)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && strchr("-_.", name[i]) == NULL)
            return su_fail_field(err, SU_INVALID, "name", "a consumer's name has letters, digits, - _ and . only, was \"%.128s\"", name);
    if (len == 0 || len > CONSUMER_NAME_MAX)
        return su_fail_field(err, SU_INVALID, "name", "a consumer's name has 1..%d bytes, was %zu", CONSUMER_NAME_MAX, len);
    return true;
}

/* A field that may be null as well as absent. */
static json_t *without_nulls(const json_t *given)
{
    json_t *copy = json_object();
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)given, key, value)
        if (!json_is_null(value))
            json_object_set(copy, key, value);
    return copy;
}

static bool read_settings(const json_t *given, struct putting *put, struct su_err *err)
{
    SU_AUTO_JSON json_t *plain = without_nulls(given);
    struct settings settings = {.from = "latest"};
    uint64_t delay_ms = (uint64_t)(put->stream->delay_us / 1000);
    if (!su_json_bind(plain, consumer_fields, &settings, err))
        return false;
    if (settings.delay != NULL && (!su_str_duration_ms(su_str_of(settings.delay), &delay_ms) || delay_ms > UINT64_C(366) * 86400000))
        return su_fail_field(err, SU_INVALID, "/delay", "delay: must be 0s..366d, was \"%.40s\"", settings.delay);
    put->has_delay = settings.delay != NULL;
    put->has_revisions = settings.revisions;
    if (!window_spec_read(settings.every, settings.slide, (int64_t)delay_ms * 1000, &put->spec, err))
        return false;
    put->spec.with_empty = settings.empty;
    put->from = json_object_get(given, "from") ? json_string_value(json_object_get(given, "from")) : NULL;
    put->from = put->from ? put->from : "latest";
    return true;
}

static bool insert_consumer(struct sql *db, const struct putting *put, struct su_err *err)
{
    const struct consumer_position *p = &put->position;
    int64_t count;
    if (!sql_get_int(db, 0, &count, err, "SELECT count(*) FROM consumers WHERE stream = ?1", sql_int(put->stream->id)))
        return false;
    if (count >= CONSUMERS_MAX)
        return su_fail(err, SU_LIMIT, "the stream has %d consumers, the most there may be; delete some first", CONSUMERS_MAX);
    return sql_run(db, err,
                   "INSERT INTO consumers (stream, name, every_us, slide_us, delay_us, empty, revisions, begin, offset_min, next_us,"
                   " least_us, closing, revised_us, keep_from, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
                   sql_int(put->stream->id), sql_text(put->name), sql_int(put->spec.every_us), sql_int(put->spec.slide_us),
                   sql_int(put->spec.delay_us), sql_int(put->spec.with_empty), sql_int(put->has_revisions), sql_text(put->from),
                   sql_int((int64_t)p->offset_min), sql_int(p->next_us), sql_int(p->least_us), sql_int((int64_t)p->closing),
                   sql_int(p->revised_us), sql_int((int64_t)p->keep_from), sql_int(su_now_ms()));
}

static bool is_same(const struct consumer_row *row, const struct putting *put)
{
    return row->spec.every_us == put->spec.every_us && row->spec.slide_us == put->spec.slide_us
        && row->spec.with_empty == put->spec.with_empty && row->has_revisions == put->has_revisions
        && (!put->has_delay || row->spec.delay_us == put->spec.delay_us);
}

static bool change_consumer(struct sql *db, const struct consumer_row *row, const struct putting *put, struct su_err *err)
{
    if (is_same(row, put))
        return true;
    return sql_run(db, err,
                   "UPDATE consumers SET every_us = ?2, slide_us = ?3, delay_us = ?4, empty = ?5, revisions = ?6, epoch = epoch + 1,"
                   " revised_us = ?7 WHERE id = ?1",
                   sql_int(row->id), sql_int(put->spec.every_us), sql_int(put->spec.slide_us),
                   sql_int(put->has_delay ? put->spec.delay_us : row->spec.delay_us), sql_int(put->spec.with_empty),
                   sql_int(put->has_revisions), sql_int(INT64_MIN))
        && sql_run(db, err, "DELETE FROM consumer_revisions WHERE consumer = ?1", sql_int(row->id));
}

static bool put_job(struct sql *db, void *arg, struct su_err *err)
{
    struct putting *put = arg;
    CONSUMER_AUTO_ROW struct consumer_row row = {0};
    put->is_new = false;
    if (consumer_load(db, put->stream, put->name, &row, err))
        return change_consumer(db, &row, put, err);
    if (err->code != SU_NOT_FOUND)
        return false;
    put->is_new = true;
    return begin_at(put->consumers, db, put->stream, put->from, &put->position, err) && insert_consumer(db, put, err);
}

static void wake(struct consumers *consumers, const struct stream *stream)
{
    su_bus_publish(streams_bus(consumers->streams), stream->topic, "consumer", NULL);
}

bool consumer_put(struct consumers *consumers, struct stream *stream, const char *name, const json_t *settings, const char *user,
                  json_t **ret, bool *ret_is_new, struct su_err *err)
{
    (void)user;
    struct putting put = {.consumers = consumers, .stream = stream, .name = name};
    if (!check_name(name, err) || !read_settings(settings, &put, err) || !store_write(consumers->store, put_job, &put, err))
        return false;
    *ret_is_new = put.is_new;
    wake(consumers, stream);
    return consumer_get(consumers, stream, name, ret, err);
}

/* --- who holds it ------------------------------------------------------------------ */

struct holding {
    struct consumers *consumers;
    struct stream *stream;
    const char *name, *who, *to;
    int64_t epoch;
};

static bool delete_job(struct sql *db, void *arg, struct su_err *err)
{
    struct holding *holding = arg;
    CONSUMER_AUTO_ROW struct consumer_row row = {0};
    return consumer_load(db, holding->stream, holding->name, &row, err)
        && sql_run(db, err, "DELETE FROM consumer_revisions WHERE consumer = ?1", sql_int(row.id))
        && sql_run(db, err, "DELETE FROM consumers WHERE id = ?1", sql_int(row.id));
}

bool consumer_delete(struct consumers *consumers, struct stream *stream, const char *name, struct su_err *err)
{
    struct holding holding = {.consumers = consumers, .stream = stream, .name = name};
    if (!store_write(consumers->store, delete_job, &holding, err))
        return false;
    wake(consumers, stream);
    return true;
}

static bool claim_job(struct sql *db, void *arg, struct su_err *err)
{
    struct holding *holding = arg;
    CONSUMER_AUTO_ROW struct consumer_row row = {0};
    if (!consumer_load(db, holding->stream, holding->name, &row, err))
        return false;
    holding->epoch = row.epoch + 1;
    return sql_run(db, err, "UPDATE consumers SET epoch = ?2, claimed_ms = ?3, active_ms = ?3, claimed_by = ?4 WHERE id = ?1",
                   sql_int(row.id), sql_int(holding->epoch), sql_int(su_now_ms()), sql_text(holding->who));
}

bool consumer_claim(struct consumers *consumers, struct stream *stream, const char *name, const char *who, int64_t *ret_epoch, struct su_err *err)
{
    struct holding holding = {.consumers = consumers, .stream = stream, .name = name, .who = who};
    if (!store_write(consumers->store, claim_job, &holding, err))
        return false;
    *ret_epoch = holding.epoch;
    wake(consumers, stream);
    return true;
}

static bool seek_job(struct sql *db, void *arg, struct su_err *err)
{
    struct holding *holding = arg;
    CONSUMER_AUTO_ROW struct consumer_row row = {0};
    struct consumer_position p;
    if (!consumer_load(db, holding->stream, holding->name, &row, err)
        || !begin_at(holding->consumers, db, holding->stream, holding->to, &p, err))
        return false;
    holding->epoch = row.epoch + 1;
    return sql_run(db, err,
                   "UPDATE consumers SET epoch = ?2, offset_min = ?3, next_us = ?4, least_us = ?5, closing = ?6, revised_us = ?7,"
                   " keep_from = ?8, last_epoch = 0, last_answer = NULL WHERE id = ?1",
                   sql_int(row.id), sql_int(holding->epoch), sql_int((int64_t)p.offset_min), sql_int(p.next_us), sql_int(p.least_us),
                   sql_int((int64_t)p.closing), sql_int(p.revised_us), sql_int((int64_t)p.keep_from))
        && sql_run(db, err, "DELETE FROM consumer_revisions WHERE consumer = ?1", sql_int(row.id));
}

bool consumer_seek(struct consumers *consumers, struct stream *stream, const char *name, const char *to, int64_t *ret_epoch, struct su_err *err)
{
    struct holding holding = {.consumers = consumers, .stream = stream, .name = name, .to = to};
    if (!store_write(consumers->store, seek_job, &holding, err))
        return su_prefix(err, "to");
    *ret_epoch = holding.epoch;
    wake(consumers, stream);
    return true;
}

/* --- the stream's questions ----------------------------------------------------------- */

static bool on_stream_delete(struct sql *db, void *arg, const struct stream *stream, bool force, struct su_err *err)
{
    (void)arg;
    SU_AUTO_FREE char *name = NULL;
    {
        SQL_AUTO_END struct sql_row *row =
            sql_query(db, err, "SELECT name FROM consumers WHERE stream = ?1 AND active_ms > ?2 ORDER BY name LIMIT 1",
                      sql_int(stream->id), sql_int(su_now_ms() - LIVE_MS));
        enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
        if (next == SQL_ERROR)
            return false;
        name = next == SQL_ROW ? su_strdup(sql_col_text(row, 0)) : NULL;
    }
    if (name != NULL && !force) {
        su_fail_slug(err, "has-dependants", "the consumer \"%s\" follows the stream \"%.200s\" right now", name, stream->name);
        return su_hint(err, "Stop its follower and try again in a minute, or delete with ?force=true.");
    }
    return sql_run(db, err, "DELETE FROM consumer_revisions WHERE consumer IN (SELECT id FROM consumers WHERE stream = ?1)", sql_int(stream->id))
        && sql_run(db, err, "DELETE FROM consumers WHERE stream = ?1", sql_int(stream->id));
}

static bool floor_of(struct sql *db, void *arg, const struct stream *stream, uint64_t *ret, struct su_err *err)
{
    (void)arg;
    int64_t floor;
    if (!sql_get_int(db, INT64_MAX, &floor, err, "SELECT coalesce(min(keep_from), ?3) FROM consumers WHERE stream = ?1 AND active_ms > ?2",
                     sql_int(stream->id), sql_int(su_now_ms() - KEEP_MS), sql_int(INT64_MAX)))
        return false;
    *ret = (uint64_t)floor;
    return true;
}

bool consumers_open(struct streams *streams, struct consumers **ret, struct su_err *err)
{
    (void)err;
    struct consumers *consumers = su_alloc(sizeof *consumers);
    *consumers = (struct consumers){.streams = streams, .store = streams_store(streams)};
    streams_on_delete(streams, on_stream_delete, consumers);
    streams_add_floor(streams, floor_of, consumers);
    *ret = consumers;
    return true;
}

void consumers_close(struct consumers *consumers) { free(consumers); }
