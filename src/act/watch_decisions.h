/* What a turn of a watch decided, until it is committed.  Layer act; the watch's thread, the insertion on the writer's. */
#pragma once
#include "watch_private.h"

struct pending;
struct pending *pending_new(void);
void pending_free(struct pending *pending);
void pending_clear(struct pending *pending);
bool pending_is_empty(const struct pending *pending);
/* number: the watch's.  SU_LIMIT past what one turn may decide. */
bool pending_add(struct pending *pending, int64_t number, const struct watch_emitted *emitted, struct su_err *err);

/* Borrowed. */
struct pending_context {
    struct watches *watches;
    const struct stream *stream;
    const char *tenant, *watch, *code;
    const struct watch_definition *definition;
    const struct watch_model *models;
    size_t model_count;
    int64_t keys;                   /* that the watch has */
    int64_t committed_us;           /* windows before it have been committed: their decisions were made */
};
/* Before the commit, outside of the writer: those of committed windows are compared with what was made and dropped (*differing counts
 * the ones that are missing); the others learn their windows' offsets and models. */
bool pending_prepare(struct pending *pending, const struct pending_context *context, uint64_t *differing, struct su_err *err);
/* Inside the job. */
bool pending_insert(struct sql *db, struct pending *pending, struct su_err *err);
/* After the commit: events, and the delivery is woken. */
void pending_tell(const struct pending *pending, const struct pending_context *context);

/* A decision as a back-test shows it (new reference). */
json_t *watch_emitted_json(int64_t number, const struct watch_emitted *emitted);
