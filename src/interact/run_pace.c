/* The pace of following runs: see run_pace.h.  Layer interact; pure. */
#include "run_pace.h"

#include <string.h>

#include "base/clock.h"

enum { SECONDS = 60 };

struct pace {
    json_t *hand;               /* as pace_window gives it, or NULL */
    int64_t offered_ms;
    json_t *iterations;         /* the last ones, oldest first */
    int64_t second;             /* the newest that `commits` knows */
    uint32_t commits[SECONDS];  /* of that second and those before it, by second modulo SECONDS */
};

struct pace *pace_new(void)
{
    struct pace *pace = su_alloc(sizeof *pace);
    *pace = (struct pace){.iterations = json_array()};
    return pace;
}

void pace_free(struct pace *pace)
{
    if (pace == NULL)
        return;
    json_decref(pace->hand);
    json_decref(pace->iterations);
    free(pace);
}

void pace_offer(struct pace *pace, const json_t *offer, int64_t now_ms)
{
    static const char *const of_window[] = {"start", "end", "from", "to", "messages"}, *const of_offer[] = {"stream", "consumer", "iteration"};
    const json_t *window = json_object_get(offer, "window");
    json_decref(pace->hand);
    pace->hand = json_object();
    pace->offered_ms = now_ms;
    for (size_t i = 0; i < SU_COUNT(of_offer); i++)
        json_object_set(pace->hand, of_offer[i], json_object_get(offer, of_offer[i]));
    for (size_t i = 0; i < SU_COUNT(of_window); i++)
        json_object_set(pace->hand, of_window[i], json_object_get(window, of_window[i]));
}

/* Seconds that passed without a commit count none. */
static void advance(struct pace *pace, int64_t second)
{
    if (second - pace->second >= SECONDS)
        memset(pace->commits, 0, sizeof pace->commits);
    else
        for (int64_t at = pace->second + 1; at <= second; at++)
            pace->commits[at % SECONDS] = 0;
    if (second > pace->second)
        pace->second = second;
}

static bool is_in_hand(const struct pace *pace, const json_t *consumed)
{
    return pace->hand && strcmp(su_json_string(pace->hand, "stream", ""), su_json_string(consumed, "stream", "")) == 0
        && strcmp(su_json_string(pace->hand, "consumer", ""), su_json_string(consumed, "consumer", "")) == 0;
}

void pace_commit(struct pace *pace, const json_t *consumed, int64_t now_ms)
{
    char at[SU_TIME_TEXT];
    advance(pace, now_ms / 1000);
    pace->commits[pace->second % SECONDS]++;
    if (!is_in_hand(pace, consumed))
        return;
    json_object_set(pace->hand, "decisions", json_object_get(consumed, "decisions"));
    json_object_set_new(pace->hand, "took_ms", json_integer(now_ms - pace->offered_ms));
    json_object_set_new(pace->hand, "at", json_string(su_time_text(now_ms, at)));
    json_array_append_new(pace->iterations, su_take(pace->hand));
    if (json_array_size(pace->iterations) > PACE_ITERATIONS_MAX)
        json_array_remove(pace->iterations, 0);
}

void pace_drop(struct pace *pace)
{
    json_decref(pace->hand);
    pace->hand = NULL;
}

const json_t *pace_window(const struct pace *pace) { return pace->hand; }

json_t *pace_json(const struct pace *pace, bool with_iterations, int64_t now_ms)
{
    int64_t second = now_ms / 1000, total = 0;
    for (int64_t at = second - SECONDS + 1; at <= pace->second; at++)
        total += at > pace->second - SECONDS && at > 0 ? pace->commits[at % SECONDS] : 0;
    json_t *json = json_pack("{s:I, s:o}", "iterations_per_m", (json_int_t)total, "window",
                             pace->hand ? json_copy(pace->hand) : json_null());
    if (with_iterations)
        json_object_set_new(json, "iterations", json_copy(pace->iterations));
    return json;
}
