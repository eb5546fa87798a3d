/* The insides of the service, for documents_*.c.  Layer interact.
 *
 *   documents.c         opening, references, reading; the thread
 *   documents_edit.c    edits and their journal; storing versions; rows
 *   documents_kernel.c  kernels: start, orders, what they say */
#pragma once
#include "base/thread.h"
#include "compute/kernel.h"
#include "document.h"
#include "documents.h"
#include "notebooks.h"

enum {
    RING_DELTAS = 4096, RING_BYTES = 4 << 20,   /* kept for readers that come back; past that they get a snapshot */
    SAVE_QUIET_MS = 30000, SAVE_LATEST_MS = 180000, SAVE_ALONE_MS = 2000,
    USAGE_EVERY_MS = 2000,
    STREAM_TOLD_MAX = 1 << 20,                  /* bytes of one stream output told piece by piece; then by its size */
    STREAM_TOLD_EVERY_MS = 250,                 /* … that often, less often when it is long to tell */
    STREAM_GATHER_MS = 50,                      /* text of a stream is told so often at most */
    STREAM_GATHER_MAX = 128 << 10,              /* … or when there is that much of it */
    ANSWERS_MAX = 64,
};

enum kernel_state { KERNEL_NONE, KERNEL_STARTING, KERNEL_IDLE, KERNEL_BUSY, KERNEL_RESTARTING, KERNEL_DEAD };

struct delta { char *text; size_t len; };
struct answer { char id[SU_ID_SIZE]; json_t *content; /* NULL: not here yet */ };

struct open_document {
    struct open_document *next;         /* under documents->lock */
    int references;                     /* under documents->lock: the list counts as none */
    char *tenant, *name, *user, *topic, *href;
    char id[SU_ID_SIZE];
    int64_t epoch;

    struct su_lock order;               /* taken before lock: edits and versions reach the disk in the order they were made */
    struct su_lock lock;                /* what stands below */
    struct document *document;
    int64_t version;                    /* the stored one it was made of */
    int64_t saved_ms, saved_revision, changed_ms, first_change_ms;
    bool is_changed;                    /* outputs or text that no version has */
    bool has_row;
    bool row_is_old;                    /* it names a kernel that is no more */
    bool has_new_outputs;               /* no version holds them, only the keeper */
    bool saves_now;
    int64_t journal_number;             /* of the newest entry */
    json_t *unwritten;                  /* edits told but not on disk: go with the next; NULL: none */
    _Atomic bool is_ended;              /* of a notebook that is gone: nobody finds it any more */
    int viewers;

    struct delta ring[RING_DELTAS];
    uint64_t last;                      /* number of the newest delta */
    uint64_t oldest;                    /* … of the oldest still in the ring */
    size_t ring_bytes;

    enum kernel_state kernel_state;
    char kernel[KERNEL_ID_MAX + 1];
    char *detail;
    struct keeper *keeper;
    _Atomic int watched_fd;             /* -1: none; the list is searched for it without the lock */
    uint64_t next_seq;
    int64_t kernel_started_ms, active_ms, usage_asked_ms, memory_bytes;
    json_t *input;                      /* {"cell","prompt","password"} or NULL */
    struct answer answers[ANSWERS_MAX];
    size_t answer_at;
    char told_cell[DOCUMENT_EXECUTION_SIZE]; /* whose long stream was told by size, when, and when it may be again */
    int64_t told_ms, tell_again_ms;
    bool told_is_late;
    struct gathered { char cell[DOCUMENT_EXECUTION_SIZE], stream[8]; struct su_buf text; int64_t since_ms, told_ms; } gathered;
};

struct documents {
    struct store *store;
    struct su_bus *bus;
    struct compute *compute;
    struct notebooks *notebooks;
    struct run_tokens tokens;
    struct documents_config config;
    struct su_lock lock;
    bool turns_now;                     /* the thread's: something is to be stored at once */
    int64_t flush_ms;                   /* the thread's: when gathered text is to be told; 0: there is none */
    struct open_document *first;
    size_t count;
    int epoll_fd, wake_fd;
    _Atomic bool is_closing;
    struct su_thread thread;
};

/* With the document's lock held: tell what was gathered and what is told by size when its time has come (now: 0: what was
 * gathered, in any case). */
void document_flush(struct open_document *open, int64_t now);
bool document_has_gathered(const struct open_document *open);
/* With the document's lock held: add a delta (takes it). */
void document_tell(struct open_document *open, json_t *delta);
/* Without it: those who wait hear. */
void document_fire(struct documents *documents, struct open_document *open);
void documents_wake(struct documents *documents);
/* With the lock held. */
void document_changed(struct open_document *open);
json_t *document_kernel_json(const struct open_document *open);

/* documents_edit.c */
bool documents_recover(struct documents *documents, struct su_err *err);
/* With the lock held: the row that lets a later server find it; true when it stands or stood. */
bool document_row(struct documents *documents, struct open_document *open, struct su_err *err);
/* Without locks: a row that says what is no more so is put right, or goes. */
bool documents_tidy_row(struct documents *documents, struct open_document *open, struct su_err *err);
bool document_row_end(struct documents *documents, struct open_document *open, struct su_err *err);
bool document_load(struct documents *documents, struct open_document *open, int64_t version, struct su_err *err);

/* Kernels of all documents, the list's lock not held. */
size_t documents_kernels(struct documents *documents);

/* documents_kernel.c; all with the document's lock held */
bool document_kernel_connect(struct documents *documents, struct open_document *open, uint64_t from, struct su_err *err);
void document_kernel_hear(struct documents *documents, struct open_document *open);
void document_kernel_end(struct documents *documents, struct open_document *open, enum kernel_state state, const char *detail);
/* The version on disk holds what the kernel said up to that event: its keeper may forget it. */
void document_kernel_recorded(struct documents *documents, struct open_document *open, int64_t seq);
void document_kernel_ask_usage(struct documents *documents, struct open_document *open, int64_t now);

struct open_document *document_new_open(struct documents *documents, const char *tenant, const char *name, const char *user);
