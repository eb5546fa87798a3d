/* Consumers, from window to window: see consumer.h.  Layer aggregate; any thread, the commit on the writer's. */
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "consumer_private.h"

enum { ACTIVE_MS = 20 * 1000 };     /* a consumer that asks is noted as alive so often */

/* --- being alive ------------------------------------------------------------- */

static bool active_job(struct sql *db, void *arg, struct su_err *err)
{
    const int64_t *id = arg;
    return sql_run(db, err, "UPDATE consumers SET active_ms = ?2 WHERE id = ?1", sql_int(*id), sql_int(su_now_ms()));
}

static void active_done(void *arg, bool ok, const struct su_err *err)
{
    if (!ok)
        su_log_error("consumer.active", err);
    free(arg);
}

static void note_active(struct consumers *consumers, const struct consumer_row *row)
{
    if (su_now_ms() - row->active_ms < ACTIVE_MS)
        return;
    int64_t *id = su_alloc(sizeof *id);
    *id = row->id;
    store_write_later(consumers->store, active_job, active_done, id);
}

/* --- what comes next ------------------------------------------------------------ */

static bool revision_of(struct sql *db, const struct consumer_row *row, int64_t start_us, int64_t *ret, struct su_err *err)
{
    return sql_get_int(db, 0, ret, err, "SELECT revision FROM consumer_revisions WHERE consumer = ?1 AND start_us = ?2",
                       sql_int(row->id), sql_int(start_us));
}

/* A window given before, with what came late for it until `fresh` closed. */
static bool offer_revision(struct logs *logs, struct sql *db, const struct stream *stream, const struct consumer_row *row,
                           const struct window *fresh, int64_t start_us, struct consumer_offer *offer, struct su_err *err)
{
    int64_t revision;
    if (!window_view(logs, db, stream->log, &row->spec, start_us, row->position.offset_min, fresh->to, &offer->window, err)
        || !revision_of(db, row, start_us, &revision, err))
        return false;
    offer->window.revision = revision + 1;
    offer->after.revised_us = start_us;
    return true;
}

static bool offer_fresh(struct logs *logs, struct sql *db, const struct stream *stream, const struct consumer_row *row,
                        const struct window *fresh, uint64_t late, struct consumer_offer *offer, struct su_err *err)
{
    struct consumer_position *after = &offer->after;
    bool is_found;
    offer->window = *fresh;
    after->next_us = fresh->start_us + window_slide(&row->spec);
    after->least_us = after->least_us == INT64_MAX ? fresh->start_us : after->least_us;
    after->closing = fresh->to > after->closing ? fresh->to : after->closing;
    after->revised_us = INT64_MIN;
    after->late += (int64_t)late;
    if (!log_find_time(logs, db, stream->log, after->next_us, &after->keep_from, &is_found, err))
        return false;
    if (after->keep_from > after->closing)
        after->keep_from = after->closing;
    return true;
}

static bool offer_next(struct logs *logs, struct sql *db, const struct stream *stream, const struct consumer_row *row,
                       struct consumer_offer *ret, bool *ret_found, struct su_err *err)
{
    const struct consumer_position *p = &row->position;
    struct window_spec spec = row->spec;
    struct window fresh;
    struct window_late late;
    struct consumer_offer offer = {.consumer = row->id, .epoch = row->epoch, .iteration = row->iterations + 1, .after = *p,
                                   .definition_version = (uint64_t)stream->version};
    spec.with_empty &= row->last_epoch != 0;    /* before the first window there is nothing for an empty one to follow */
    if (!window_next(logs, db, stream->log, &spec, p->next_us, p->offset_min, &fresh, ret_found, err))
        return false;
    if (!*ret_found)
        return true;
    int64_t after_us = p->least_us == INT64_MIN ? INT64_MIN : p->least_us - 1;
    after_us = p->revised_us > after_us ? p->revised_us : after_us;
    if (!window_late(logs, db, stream->log, &spec, p->closing, fresh.to, after_us, &late, err))
        return false;
    bool is_revision = row->has_revisions && late.has_start && late.start_us < fresh.start_us;
    if (is_revision ? !offer_revision(logs, db, stream, row, &fresh, late.start_us, &offer, err)
                    : !offer_fresh(logs, db, stream, row, &fresh, late.messages, &offer, err))
        return false;
    if (!stream_schema_version(db, stream, &offer.schema_version, err))
        return false;
    *ret = offer;
    return true;
}

bool consumer_next(struct consumers *consumers, struct stream *stream, const char *name, int64_t epoch,
                   struct consumer_offer *ret, bool *ret_found, struct su_err *err)
{
    CONSUMER_AUTO_ROW struct consumer_row row = {0};
    STORE_READ(consumers->store, db);
    if (!consumer_load(db, stream, name, &row, err) || !consumer_check_epoch(&row, epoch, err))
        return false;
    note_active(consumers, &row);
    return offer_next(streams_logs(consumers->streams), db, stream, &row, ret, ret_found, err);
}

/* --- commits ------------------------------------------------------------------------- */

bool consumer_prepare(struct consumers *consumers, struct stream *stream, const char *name, int64_t epoch, int64_t start_us,
                      int64_t revision, struct consumer_offer *ret, char **ret_answer, struct su_err *err)
{
    CONSUMER_AUTO_ROW struct consumer_row row = {0};
    bool is_found;
    *ret_answer = NULL;
    STORE_READ(consumers->store, db);
    if (!consumer_load(db, stream, name, &row, err) || !consumer_check_epoch(&row, epoch, err))
        return false;
    if (row.last_epoch == epoch && row.last_start_us == start_us && row.last_revision == revision && row.last_answer) {
        *ret_answer = su_take(row.last_answer);
        return true;
    }
    struct consumer_offer offer;
    if (!offer_next(streams_logs(consumers->streams), db, stream, &row, &offer, &is_found, err))
        return false;
    if (is_found && offer.window.start_us == start_us && offer.window.revision == revision) {
        *ret = offer;
        return true;
    }
    su_fail_field(err, SU_CONFLICT, "/window", "window: %lld (revision %lld) is not what consumer \"%s\" handles next", (long long)start_us,
                  (long long)revision, name);
    return su_hint(err, "Ask for its next window and commit that one; windows are committed in order, each once.");
}

static bool note_revision(struct sql *db, const struct consumer_offer *offer, struct su_err *err)
{
    return offer->window.revision == 0
        || sql_run(db, err, "INSERT INTO consumer_revisions (consumer, start_us, revision) VALUES (?1, ?2, ?3)"
                   " ON CONFLICT DO UPDATE SET revision = ?3",
                   sql_int(offer->consumer), sql_int(offer->window.start_us), sql_int(offer->window.revision));
}

bool consumer_commit(struct sql *db, const struct consumer_offer *offer, const char *answer, struct su_err *err)
{
    const struct consumer_position *after = &offer->after;
    if (!sql_run(db, err,
                 "UPDATE consumers SET next_us = ?4, least_us = ?5, closing = ?6, revised_us = ?7, keep_from = ?8, late = ?9,"
                 " iterations = ?3, active_ms = ?10, last_epoch = ?2, last_start_us = ?11, last_revision = ?12, last_answer = ?13"
                 " WHERE id = ?1 AND epoch = ?2 AND iterations = ?3 - 1",
                 sql_int(offer->consumer), sql_int(offer->epoch), sql_int(offer->iteration), sql_int(after->next_us),
                 sql_int(after->least_us), sql_int((int64_t)after->closing), sql_int(after->revised_us),
                 sql_int((int64_t)after->keep_from), sql_int(after->late), sql_int(su_now_ms()), sql_int(offer->window.start_us),
                 sql_int(offer->window.revision), sql_text(answer)))
        return false;
    if (sql_changes(db) == 0) {
        su_fail_slug(err, "fenced", "the consumer was claimed, changed or committed by another in the meantime");
        return su_hint(err, "Claim it again to take over, and ask for its next window.");
    }
    return note_revision(db, offer, err);
}
