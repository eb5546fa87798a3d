/* One keeper: its kernel, the server's link, and what both are told.  Layer keep;
 * one thread, one loop.  Split by subject:
 *   keeper.c        set-up, the loop, deadlines
 *   orders.c        what the server asks for
 *   conversation.c  the Jupyter protocol with the kernel
 *   questions.c     what is asked of the kernel beside cells: completions, how much memory it uses
 *   report.c        events to the spool
 *   ending.c        stopping the kernel, why it ended, what is left behind */
#pragma once
#include "keep/cells.h"
#include "keep/cgroup.h"
#include "keep/link.h"
#include "keep/process.h"
#include "keep/sockets.h"
#include "keep/spool.h"
#include "keep/wire.h"

enum phase {
    PHASE_STARTING, /* until the kernel has bound its sockets */
    PHASE_NUDGING,  /* until it answers and is heard */
    PHASE_READY,
    PHASE_CLOSING,  /* shutdown was requested */
    PHASE_DYING,    /* being killed, or dead with output still to come */
    PHASE_ENDED
};

enum cause {
    CAUSE_NONE, CAUSE_FINISHED, CAUSE_CANCELLED, CAUSE_TIMED_OUT, CAUSE_OUT_OF_MEMORY,
    CAUSE_OUTPUT_LIMIT, CAUSE_DIED, CAUSE_START_FAILED, CAUSE_LEASE, CAUSE_COUNT
};

struct keeper_limits { uint64_t memory_bytes, scratch_bytes, output_bytes; uint32_t processes, time_s; };

/* The cell that is running. */
struct running {
    bool is_active, has_reply, has_idle;
    size_t index;
    int64_t started_ms, execution_count;
    char status[16];
};

/* Questions under way, the oldest forgotten first; and the kernel's thread that answers them while a cell runs. */
enum { QUESTIONS_MAX = 32, QUESTION_ID = 64 };
struct questions {
    struct { uint64_t number; char id[QUESTION_ID]; } list[QUESTIONS_MAX];
    uint64_t next;
    char subshell[QUESTION_ID];     /* "" until the kernel has made one */
    bool has_asked_for_subshell;
};

struct keeper {
    json_t *spec;
    char folder[512], runtime[128], socket_path[128];   /* the kernel's folder, its sockets' folder, our socket */
    int folder_fd, runtime_fd, program_fd, listener;
    bool is_claimed, is_over, wants_finish, is_told_done;
    enum phase phase;
    enum cause cause;
    char detail[512];
    struct keeper_limits limits;
    uint64_t output_bytes;
    struct spool spool;
    struct link link;
    struct process process;
    struct cgroup cgroup;
    struct sockets *sockets;
    struct cells cells;
    struct running running;
    struct questions questions;
    struct wire_key key;
    char session[32];
    uint64_t requests;
    bool has_info, has_iopub;
    int stop_step;
    /* deadlines on the monotonic clock, 0: none */
    int64_t start_by, nudge_at, time_out_at, stop_at, stopped_at, lost_at, dead_by, alone_since;
    struct su_buf event, text;
};

/* keeper.c */
bool keeper_open(struct keeper *keeper, const char *folder, struct su_err *err);
bool keeper_read_spec(const char *folder, json_t **ret, struct su_err *err);
/* Only what ending_tidy needs, of a keeper that is dead. */
bool keeper_open_remains(struct keeper *keeper, const char *folder, struct su_err *err);
void keeper_run(struct keeper *keeper);
void keeper_close(struct keeper *keeper);
void keeper_read_limits(struct keeper_limits *limits, const json_t *object);
json_t *keeper_settings(const struct keeper *keeper);

/* orders.c */
void orders_read(struct keeper *keeper);
bool orders_write_card(struct keeper *keeper, const char *id, const char *label, struct su_err *err);

/* conversation.c */
void conversation_open(struct keeper *keeper);
void conversation_nudge(struct keeper *keeper);
void conversation_next_cell(struct keeper *keeper);
void conversation_interrupt(struct keeper *keeper);
void conversation_shutdown(struct keeper *keeper);
void conversation_read(struct keeper *keeper, unsigned ready);
/* One message of the kernel, whatever it is. */
void conversation_hear(struct keeper *keeper, enum channel channel, const struct frames *frames);
bool conversation_is_idle(const struct keeper *keeper);
void conversation_input(struct keeper *keeper, const json_t *value);
/* For questions.c: send; read a header or parent (small, cleaned into keeper->text); a member of it; is it an answer to one
 * of ours? */
bool conversation_request(struct keeper *keeper, enum channel channel, const char *type, char purpose, uint64_t number, struct su_str content);
struct su_str conversation_cleaned(struct keeper *keeper, struct su_str part);
void conversation_member(struct su_str object, const char *key, char *text, size_t size);
bool conversation_is_reply(struct keeper *keeper, struct su_str parent, char purpose, uint64_t *ret_number);

/* questions.c */
bool questions_ask(struct keeper *keeper, const json_t *order, struct su_err *err);
/* True when the message was an answer to a question. */
bool questions_read(struct keeper *keeper, const struct wire_message *message, const char *type);
void questions_read_control(struct keeper *keeper, const struct wire_message *message, const char *type);
void questions_usage(struct keeper *keeper);

/* report.c: begin an event, add to keeper->event, end it. */
void report_begin(struct keeper *keeper, const char *event);
void report_text(struct keeper *keeper, const char *key, const char *text);     /* NULL: null */
void report_int(struct keeper *keeper, const char *key, int64_t number);
void report_end(struct keeper *keeper);
void report_cell_end(struct keeper *keeper, const char *status);

/* ending.c */
/* Stop gently: interrupt, SIGTERM, kill.  The first cause stays. */
void ending_stop(struct keeper *keeper, enum cause cause, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Stop at once. */
void ending_kill(struct keeper *keeper, enum cause cause, const char *format, ...) __attribute__((format(printf, 3, 4)));
void ending_step(struct keeper *keeper);
/* The kernel's processes report that they have ended, or our patience has. */
void ending_died(struct keeper *keeper);
void ending_conclude(struct keeper *keeper);
/* Remove folders, sockets, groups. */
void ending_tidy(struct keeper *keeper, bool with_folder);
