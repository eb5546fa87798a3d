/* Open notebooks: what several people edit and a kernel writes to at the same time.  Layer interact.
 *
 * A stored notebook is open while somebody looks at it, a kernel runs for it, or edits wait to be stored.  The server holds
 * the one document (document.h); clients send edits and orders and are told numbered deltas.  An edit is on disk, in a
 * journal, before its sender is answered; now and then, and when the last viewer leaves, the document becomes the next
 * version of the stored notebook.  A kernel lives under its keeper: a server that was killed finds document, outputs and
 * kernel again.
 *
 * Threads: every function may be called from any thread; those that start or end kernels take milliseconds, documents_save
 * and documents_edit wait for a commit.  The thread "documents" follows the keepers and stores what is due. */
#pragma once
#include "base/bus.h"
#include "base/json.h"
#include "base/random.h"
#include "run.h"

struct compute;
struct documents;
struct notebooks;
struct open_document;

extern const struct store_migration document_migrations[];

enum {
    DOCUMENT_EDITS_MAX = 1000,              /* of one call */
    DOCUMENT_CODE_MAX = 1 << 20,            /* bytes of code that is to be completed or inspected */
};

struct documents_config {
    uint64_t open, kernels;                 /* at the same time, all tenants together */
    uint64_t idle_s;                        /* a kernel that nobody looks at and that runs nothing ends */
};

/* Finds what a server before this one left open. */
bool documents_open(struct store *store, struct su_bus *bus, struct compute *compute, struct notebooks *notebooks,
                    const struct run_tokens *tokens, const struct documents_config *config, struct documents **ret, struct su_err *err);
/* Lets go; kernels go on under their keepers. */
void documents_close(struct documents *documents);

/* The open document of a stored notebook, opened when it is not; a reference.  SU_NOT_FOUND: no such notebook. */
bool documents_get(struct documents *documents, const char *tenant, const char *name, const char *user, struct open_document **ret,
                   struct su_err *err);
void documents_put_back(struct documents *documents, struct open_document *open);
/* The topic of the bus that fires when there are new deltas; lives as long as the document. */
const char *open_document_topic(const struct open_document *open);

/* Which notebook this kernel is open for: "open notebook load"; *ret NULL (caller frees): none. */
bool documents_code(struct documents *documents, const char *tenant, const char *kernel, char **ret, struct su_err *err);
/* {"items":[{"name","viewers","kernel","dirty"}…]} (new reference). */
json_t *documents_list(struct documents *documents, const char *tenant);

/* A reader of deltas; born with epoch and after as the client has them (0: nothing). */
struct document_reader { int64_t epoch; uint64_t after; };
/* The next message, appended: one delta, or a snapshot when the reader has missed some; nothing when it is up to date. */
void document_reader_next(struct documents *documents, struct open_document *open, struct document_reader *reader, struct su_buf *out);
void document_snapshot_now(struct documents *documents, struct open_document *open, struct su_buf *out);
/* Somebody looks (+1) or no longer does (-1). */
void documents_viewers(struct documents *documents, struct open_document *open, int change);

/* Apply a list of edits; *ret {"revision","cells","conflicts"} (new reference).  On disk when true. */
bool documents_edit(struct documents *documents, struct open_document *open, const char *client, const json_t *edits, json_t **ret,
                    struct su_err *err);
/* Run cells, in that order; starts a kernel when there is none. */
bool documents_execute(struct documents *documents, struct open_document *open, const json_t *cells, struct su_err *err);
/* start, interrupt, restart, shutdown. */
bool documents_kernel(struct documents *documents, struct open_document *open, const char *action, struct su_err *err);
bool documents_input(struct documents *documents, struct open_document *open, const char *value, struct su_err *err);
/* A question to the kernel that answers without running a cell ("complete_request", "inspect_request"): sent, and known by
 * *ret_id; the answer fires the topic and is taken, once, by documents_answer. */
bool documents_ask(struct documents *documents, struct open_document *open, const char *type, json_t *content, char ret_id[static SU_ID_SIZE],
                   struct su_err *err);
bool documents_answer(struct documents *documents, struct open_document *open, const char *id, json_t **ret, struct su_err *err);
/* Store it as the notebook's next version now; *ret_version the newest. */
bool documents_save(struct documents *documents, struct open_document *open, int64_t *ret_version, struct su_err *err);
/* Shut the kernel down, store, and forget it; is_deleted: the notebook is gone, store nothing. */
bool documents_end(struct documents *documents, struct open_document *open, bool is_deleted, struct su_err *err);
/* Somebody stored or (is_deleted) deleted the notebook of that name: an open document without changes of its own becomes the
 * new version, one with changes stays and is the next version; of a deleted notebook nothing stays open. */
void documents_stored_outside(struct documents *documents, const char *tenant, const char *name, bool is_deleted);
/* One output, whole. */
bool documents_output(struct documents *documents, struct open_document *open, const char *cell, size_t index, struct su_buf *out, struct su_err *err);

struct document_hold { struct documents *documents; struct open_document *open; };
static inline void document_hold_done(struct document_hold *hold) { documents_put_back(hold->documents, hold->open); }
#define DOCUMENT_AUTO_HOLD SU_CLEANUP(document_hold_done)
