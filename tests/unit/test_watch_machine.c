/* The state machine of a watch: every transition as a small story, then invariants over random ones.
 *
 * A story is a line of windows of one second; its letters say what came:
 *   .  an ordinary window (score 0)          s  nothing came (no messages, score 0)
 *   i  info   w  warning   c  critical       n  messages, but the score is not a number
 *   h  between leave and enter of critical   u  messages, but the detector is not warm
 * and the expected line says, window by window, what was told:
 *   .  nothing   O  opened   R  raised   L  lowered   X  resolved   V  unverified   F  flapping   S  steady */
#include "check.h"
#include "act/watch_machine.h"
#include <math.h>

static const int64_t S = 1000000;
static const char told[] = ".ORLXVFS";

/* Rules with three levels; hold, hold_of and clear are 1 when absent. */
#define RULES(...) {.bounds = {[WATCH_INFO] = {true, false, 0.7, 0.6}, [WATCH_WARNING] = {true, false, 0.8, 0.75}, \
    [WATCH_CRITICAL] = {true, false, 0.95, 0.9}}, __VA_ARGS__}

static struct watch_input window_of(char letter, int64_t end_us)
{
    struct watch_input input = {.start_us = end_us - S, .end_us = end_us, .messages = letter != 's', .is_warm = letter != 'u'};
    switch (letter) {
    case 'i': input.score = 0.72; break;
    case 'w': input.score = 0.85; break;
    case 'c': input.score = 0.99; break;
    case 'h': input.score = 0.92; break;
    case 'n': input.score = NAN; break;
    default: input.score = 0; break;
    }
    input.value = input.score;
    return input;
}

/* acts: the events, as letters, whose decisions act. */
static void tell_story(const struct watch_rules *rules, struct watch_key *key, const char *story, const char *expected, const char *acts)
{
    char seen[128] = "";
    assert_int_equal(strlen(story), strlen(expected));
    for (size_t i = 0; story[i]; i++) {
        int64_t end_us = (key->is_known ? key->seen_us : 100 * S) + S;
        const struct watch_input input = window_of(story[i], end_us);
        struct watch_effect effect;
        watch_step(rules, key, &input, &effect);
        seen[i] = told[effect.event];
        if (effect.event != WATCH_NOTHING && strchr(acts, seen[i]))
            watch_acted(rules, key, end_us);
    }
    if (strcmp(seen, expected) != 0)
        fail_msg("\n  story    %s\n  expected %s\n  told     %s", story, expected, seen);
}

struct scene { const char *name; struct watch_rules rules; const char *story, *expected, *acts; };

static void play(const struct scene *scenes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct watch_key key = {0};
        struct watch_rules rules = scenes[i].rules;
        print_message("# %s\n", scenes[i].name);
        rules.hold = rules.hold ? rules.hold : 1;
        rules.hold_of = rules.hold_of ? rules.hold_of : rules.hold;
        rules.clear = rules.clear ? rules.clear : 1;
        tell_story(&rules, &key, scenes[i].story, scenes[i].expected, scenes[i].acts);
    }
}
#define PLAY(scenes) play(scenes, sizeof(scenes) / sizeof *(scenes))

static void levels_hold_and_clear(void **state)
{
    static const struct scene scenes[] = {
        {"opened and resolved", RULES(), "..w.", "..OX", ""},
        {"raised and lowered", RULES(), ".iwcwi.", ".ORRLLX", ""},
        {"straight to critical and back", RULES(), "c.", "OX", ""},
        {"hysteresis keeps the level", RULES(), "chhh.", "O...X", ""},
        {"hysteresis does not enter it", RULES(), "h.", "OX", ""},
        {"three in a row", RULES(.hold = 3), "ww.wwww", ".....O.", ""},
        {"two of three", RULES(.hold = 2, .hold_of = 3), "w.w..w.", "..OX...", ""},
        {"each level holds for itself", RULES(.hold = 2), "wcwcc", ".O..R", ""},
        {"clears after two", RULES(.clear = 2), "w.w..w", "O...XO", ""},
        {"falls to the highest of the run", RULES(.clear = 2), "c.i..", "O.L.X", ""},
        {"after the end windows count anew", RULES(.hold = 2, .hold_of = 5), "ww.w..", ".OX...", ""},
    };
    (void)state;
    PLAY(scenes);
}

static void what_is_not_known_is_no_evidence(void **state)
{
    static const struct scene scenes[] = {
        {"warm-up", RULES(.warm_up_us = 3000000), "ccccc", "...O.", ""},
        {"warm-up begins with the first message", RULES(.warm_up_us = 2000000), "sssccc", ".....O", ""},
        {"the detector is not warm", RULES(), "uuc", "..O", ""},
        {"not a number while holding", RULES(.hold = 2), "wnw", "..O", ""},
        {"not a number while firing", RULES(), "wnnn.", "O...X", ""},
        {"empty windows while firing", RULES(), "wsss.", "O...X", ""},
    };
    (void)state;
    PLAY(scenes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_hold_and_clear),
        cmocka_unit_test(what_is_not_known_is_no_evidence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
