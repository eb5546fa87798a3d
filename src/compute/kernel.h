/* Kernels: where notebook code runs.  Layer compute; the one public header.
 *
 * A kernel is an ipykernel in a sandbox of its own, living under a keeper: a
 * small separate process (src/keep) that owns the kernel's sockets, runs queued
 * cells one after another, numbers and spools everything the kernel says, and
 * enforces the limits.  Keeper and kernel go on when the server is killed; the
 * next server lists them and resumes each from the last event it has.
 *
 * Threads: every function here may be called from any thread; a `struct keeper`
 * belongs to one thread at a time.  Nothing here blocks for longer than it takes
 * to start a process (milliseconds), except compute_check.
 *
 * The keeper's protocol: frames of a little-endian u32 length and one JSON
 * object, at most KEEPER_FRAME_MAX bytes.
 *
 * Server to keeper (keeper_send):
 *   {"op":"execute","cells":[{"cell":ID,"code":TEXT,"allow_error":bool,"silent":bool,"stdin":bool}…]}
 *       Queues cells.  ID is at most 128 bytes and names this one execution: an
 *       ID seen before is ignored, so a server that is not sure whether its
 *       request arrived sends it again and no cell runs twice.  A cell that ends
 *       in error clears the queue unless it has allow_error; cells dropped that
 *       way get no event.
 *   {"op":"finish"}     when the queue is empty, shut the kernel down.  May be sent at once after execute.
 *   {"op":"cancel"}     interrupt, 3 s later SIGTERM, 3 s later kill.
 *   {"op":"interrupt"}  interrupt the running cell, nothing more.
 *   {"op":"input","value":TEXT}   what a cell with "stdin" that waits for input is to get
 *   {"op":"ask","id":ID,"type":"complete_request"|"inspect_request"|"is_complete_request","content":{…}}
 *       Ask the kernel; the event answer has the same id (at most 63 bytes).
 *   {"op":"usage"}      tell how much memory the kernel uses now
 *   {"op":"recorded","seq":N}   events 1 to N are recorded for good and will not be asked for again: they leave the
 *       disk, and limits.output_bytes counts only what came after.  For kernels that live long; of their executions
 *       the last 2,048 stay known.
 *   {"op":"bye"}        everything is recorded: remove the kernel's folders and exit (ends the kernel if it lives).
 *
 * Keeper to server (keeper_recv), each with "seq" (1, 2, 3 …), "at" (RFC 3339) and "event":
 *   ready               the kernel answers
 *   cell_start          "cell"
 *   message             "cell" (null when it belongs to none), "type": stream, display_data, update_display_data,
 *                       execute_result, error or clear_output; "content" as in the Jupyter protocol. The text of
 *                       one stream event is at most 64 KiB: longer ones come as several.
 *   cell_end            "cell", "status": ok, error or aborted; "execution_count", "started_at", "ended_at"
 *   input_request       "cell", "prompt", "password": the cell waits for a line
 *   answer              "id", "type", "content" as in the Jupyter protocol
 *   usage               "memory_bytes", "cpu_ms": numbers or null
 *   done                the queue is empty
 *   ended               always the last: "cause", "detail" (for the user), "exit_code" or null, "signal" or null,
 *                       "cpu_s", "memory_peak_bytes" (numbers or null), "stderr_tail".
 *     cause: finished       shut down as asked
 *            cancelled      by cancel
 *            timed_out      limits.time_s after the first execute
 *            out_of_memory  the system's memory limit ended the kernel
 *            output_limit   past limits.output_bytes
 *            died           the kernel exited by itself (os._exit, a signal, SIGSTOP); detail says how
 *            start_failed   the kernel never answered
 *            lease          no server asked for the kernel within the lease
 *
 * Events of a cell stand between its cell_start and cell_end, except output that
 * threads write after its end: that comes with the same "cell" later. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/json.h"

enum {
    KERNEL_ID_MAX = 40,                     /* characters of [A-Za-z0-9-] */
    KEEPER_FRAME_MAX = 72 * 1024 * 1024,    /* both ways */
    KEEPER_MESSAGE_MAX = 64 * 1024 * 1024,  /* one message of a kernel; a longer one ends it with output_limit */
};

struct compute;
struct keeper;

struct kernel_limits {
    uint64_t memory_bytes, scratch_bytes, output_bytes;
    uint32_t processes, time_s;             /* processes counts threads too */
};

struct compute_config {
    const char *data_dir;           /* kernels' folders are below DIR/run */
    const char *runtime_dir;        /* sockets: short (≤ 60 bytes); NULL: derived from data_dir */
    const char *share_dir;          /* holds sdk/python (source tree) or python (installed) */
    const char *environment_dir;    /* a virtual environment readable by the kernel's user */
    const char *keeper_path;        /* the suricate-keep executable; NULL: beside this one */
    uint32_t kernel_uid;            /* as root: whom kernels run as; 0: 64123 */
    uint32_t warm;                  /* kernels kept waiting per tenant in use; 0: every kernel starts cold unless a zygote is up */
    bool unsafe_no_sandbox;         /* run kernels as plain processes */
    uint32_t lease_s;               /* how long an ended or idle kernel waits for a server; 0: a day */
    struct kernel_limits limits;    /* of warm kernels, and of a spec's members that are 0; 0: compute_limits_default */
};

extern const struct kernel_limits compute_limits_default;

struct kernel_spec {
    const char *id;                 /* unique for ever, KERNEL_ID_MAX */
    const char *tenant;             /* kernels of two tenants never share a zygote */
    struct kernel_limits limits;    /* 0 members: the configuration's */
    bool network;                   /* the host's network; default none at all */
    const char *token;              /* written to the kernel's /run/kernel/token */
    const char *label;              /* what runs in it, a notebook's name: in keeper.json, and in the kernel's /run/kernel/label */
};

/* Prepare folders, filter and cgroups; adopt or start the zygote when config->warm
 * is set.  Strings are copied.  Fails when kernels could not be run at all (say
 * so at start) unless only the sandbox is missing: then kernels are refused one
 * by one with compute_check's reason, and the rest of the server works. */
bool compute_open(const struct compute_config *config, struct compute **ret, struct su_err *err);
/* Lets go; kernels, keepers and zygotes go on (see lease). */
void compute_close(struct compute *compute);
/* Folder to put the server's Unix socket in as `api.sock`: kernels see it as
 * /run/suricate.  Borrowed. */
const char *compute_api_dir(const struct compute *compute);
/* Start filling the pool of a tenant; later calls are cheap.  Call also now and
 * then (each second or so) to keep it filled: compute_upkeep does for all. */
void compute_warm(struct compute *compute, const char *tenant);
void compute_upkeep(struct compute *compute);

/* Does the sandbox hold here?  Starts one and looks (up to 10 s; cached after the
 * first success).  On false err->message says exactly what is missing and
 * err->hint what to do. */
bool compute_check(struct compute *compute, struct su_err *err);
/* New reference: {"sandbox":"bubblewrap"|"none","cgroup":"v1"|"v2"|"none","warm":n,"zygotes":n,"python":text} */
json_t *compute_status(struct compute *compute);
/* {"name","lock_sha256","python"} of the environment (new reference), for lineage. */
json_t *compute_environment(struct compute *compute);

/* Claim a waiting kernel, or start one; returns when its keeper is up and holds
 * the limits and the token.  The same id again while it lives: SU_CONFLICT. */
bool compute_kernel_start(struct compute *compute, const struct kernel_spec *spec, struct su_err *err);
/* Array of ids (new reference) whose folders exist: live, ended and not yet
 * forgotten, or left by a keeper that vanished (keeper_connect then says SU_NOT_FOUND). */
json_t *compute_kernel_list(struct compute *compute);
/* Remove what a kernel left: its folder, sockets and cgroup.  A live keeper is
 * told bye first.  Absent is fine. */
void compute_kernel_forget(struct compute *compute, const char *id);

/* Attach to a kernel's keeper.  It resends every event from from_seq on (1: all),
 * then live.  One server connection at a time: a newer one replaces it.
 * SU_NOT_FOUND: the keeper is gone (the run is interrupted). */
bool keeper_connect(struct compute *compute, const char *id, uint64_t from_seq, struct keeper **ret, struct su_err *err);
/* For poll/epoll: readable when keeper_recv may have something; writable matters
 * only while keeper_pending says so.  Owned by the keeper. */
int keeper_fd(const struct keeper *keeper);
/* Queue and send; never blocks.  False: the connection is lost (connect again). */
bool keeper_send(struct keeper *keeper, const json_t *message, struct su_err *err);
/* Bytes still to be sent?  Then call keeper_flush when the descriptor is writable. */
bool keeper_pending(const struct keeper *keeper);
bool keeper_flush(struct keeper *keeper, struct su_err *err);
/* Next event, or *ret NULL when none is there yet.  False: the connection is lost
 * or the keeper spoke nonsense. */
bool keeper_recv(struct keeper *keeper, json_t **ret, struct su_err *err);
void keeper_close(struct keeper *keeper);
