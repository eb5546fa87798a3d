/* A run's states and what may follow what.  Layer interact; pure, any thread. */
#include "run_state.h"

#include <stdio.h>
#include <string.h>

static const char *const names[RUN_STATE_COUNT] = {
    "queued", "starting", "running", "succeeded", "failed", "cancelled", "timed_out", "out_of_memory", "interrupted",
};

#define TO(state) (1u << (state))
static const unsigned may_follow[RUN_STATE_COUNT] = {
    [RUN_QUEUED] = TO(RUN_STARTING) | TO(RUN_CANCELLED) | TO(RUN_FAILED),
    [RUN_STARTING] = TO(RUN_QUEUED) | TO(RUN_RUNNING) | TO(RUN_SUCCEEDED) | TO(RUN_FAILED) | TO(RUN_CANCELLED) |
                     TO(RUN_TIMED_OUT) | TO(RUN_OUT_OF_MEMORY) | TO(RUN_INTERRUPTED),
    [RUN_RUNNING] = TO(RUN_QUEUED) | TO(RUN_SUCCEEDED) | TO(RUN_FAILED) | TO(RUN_CANCELLED) | TO(RUN_TIMED_OUT) |
                    TO(RUN_OUT_OF_MEMORY) | TO(RUN_INTERRUPTED),
};

const char *run_state_name(enum run_state state) { return names[state]; }

bool run_state_parse(const char *name, enum run_state *ret)
{
    for (int i = 0; i < RUN_STATE_COUNT; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret = (enum run_state)i;
            return true;
        }
    }
    return false;
}

bool run_state_is_final(enum run_state state) { return state >= RUN_SUCCEEDED; }
bool run_state_may_follow(enum run_state from, enum run_state to) { return may_follow[from] >> to & 1u; }

/* How each cause of the keeper ends a run: one row each.  "finished" depends on the error and stands apart. */
static const struct { const char *cause; enum run_state state; const char *reason; } causes[] = {
    {"cancelled", RUN_CANCELLED, "cancelled on request"},
    {"timed_out", RUN_TIMED_OUT, "the time limit was reached"},
    {"out_of_memory", RUN_OUT_OF_MEMORY, "the memory limit was reached"},
    {"output_limit", RUN_FAILED, "the output limit was reached"},
    {"died", RUN_FAILED, "the kernel died"},
    {"start_failed", RUN_FAILED, "the kernel did not start"},
    {"lease", RUN_INTERRUPTED, "no server asked for the run for too long"},
};

/* Python's own complaint about memory is the same end for a user as the system's. */
static bool is_memory_error(const json_t *error)
{
    const char *name = su_json_string(error, "ename", "");
    return strcmp(name, "MemoryError") == 0 || strcmp(name, "_ArrayMemoryError") == 0 ||
           strcmp(name, "numpy._core._exceptions._ArrayMemoryError") == 0 || strcmp(name, "ArrowMemoryError") == 0;
}

/* snprintf may have cut within a character. */
static void cut_to_utf8(char *text)
{
    size_t len = strlen(text);
    while (len > 0 && !su_utf8_valid((struct su_str){text, len}))
        text[--len] = 0;
}

static struct run_end end_of_finished(const json_t *error)
{
    struct run_end end = {.state = RUN_SUCCEEDED};
    if (error == NULL)
        return end;
    end.state = is_memory_error(error) ? RUN_OUT_OF_MEMORY : RUN_FAILED;
    snprintf(end.reason, sizeof end.reason, "%s%.60s: %.400s",
             end.state == RUN_OUT_OF_MEMORY ? "the memory limit was reached: " : "",
             su_json_string(error, "ename", "Error"), su_json_string(error, "evalue", ""));
    return end;
}

static struct run_end end_of(const json_t *ended, const json_t *error)
{
    const char *cause = su_json_string(ended, "cause", ""), *detail = su_json_string(ended, "detail", "");
    if (strcmp(cause, "finished") == 0)
        return end_of_finished(error);
    struct run_end end = {.state = RUN_FAILED};
    for (size_t i = 0; i < SU_COUNT(causes); i++) {
        if (strcmp(causes[i].cause, cause) != 0)
            continue;
        end.state = causes[i].state;
        snprintf(end.reason, sizeof end.reason, "%.500s", detail[0] ? detail : causes[i].reason);
        return end;
    }
    snprintf(end.reason, sizeof end.reason, "the keeper gave an unknown cause, \"%.60s\": %.400s", cause, detail);
    return end;
}

struct run_end run_end_of(const json_t *ended, const json_t *error)
{
    struct run_end end = end_of(ended, error);
    cut_to_utf8(end.reason);
    return end;
}

struct run_end run_end_interrupted(int attempt, int retries)
{
    struct run_end end = {.state = attempt <= retries ? RUN_QUEUED : RUN_INTERRUPTED};
    if (end.state == RUN_INTERRUPTED)
        snprintf(end.reason, sizeof end.reason,
                 "the kernel's keeper is gone (the machine was restarted, or the process was killed)%s",
                 retries > 0 ? "; no retries are left" : "");
    return end;
}
