/* Derived streams: computed from another stream over each of its windows.  Layer aggregate; the thread "derived".
 *
 * A derived stream's position in its parent (the next window, and the offset that
 * it may need) is a row of `derived_positions`, written in the transaction that
 * appends what was computed: so each window's rows are there exactly once, and a
 * server that was killed goes on where it was.  Windows close by the parent's event
 * time.  A fault of the definition or of a statement stops the stream, which says so
 * in its status, until its definition changes; anything else is tried again.
 *
 * After a window's rows stands a punctuation at its end: a derived stream's own time
 * advances with its parent's, also through windows that are empty. */
#pragma once
#include "question.h"
#include "rollup.h"
#include "window.h"

/* What "source" of kind "derived" says. Born as {0}. */
struct derived_definition {
    char *from, *sql; /* sql NULL: by aggregates */
    char *every, *slide;
    struct window_spec window; /* without the parent's delay */
    struct rollup_spec rollup;
    json_t *objects; /* list of names, or NULL */
};
void derived_definition_done(struct derived_definition *definition);
#define DERIVED_AUTO SU_CLEANUP(derived_definition_done)
/* Pure. */
bool derived_definition_read(const json_t *source, struct derived_definition *ret, struct su_err *err);
bool derived_definition_check(const json_t *source, struct su_err *err);

struct deriveds;
struct deriveds_options {
    int64_t query_ms;
    size_t query_memory_bytes;
};
extern const struct store_migration derived_migrations[];
/* Registers itself with streams_on_delete and
 * streams_add_floor (the smallest offset of a parent that a derived stream, not stopped, still needs). */
bool deriveds_open(const struct question_sources *sources, const struct deriveds_options *options,
                   struct deriveds **ret, struct su_err *err);
void deriveds_close(struct deriveds *deriveds);
