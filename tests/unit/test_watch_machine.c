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

static void silence_follows_its_policy(void **state)
{
    static const struct scene scenes[] = {
        {"kept", RULES(.nodata_us = 2000000, .nodata = WATCH_NODATA_KEEP), ".wsssw.", ".O....X", ""},
        {"ends the episode", RULES(.nodata_us = 2000000, .nodata = WATCH_NODATA_OK), ".wsss.", ".O.X..", ""},
        {"fires at the highest level", RULES(.nodata_us = 2000000, .nodata = WATCH_NODATA_FIRE), ".sssss.", "..O...X", ""},
        {"raises what is open", RULES(.nodata_us = 2000000, .nodata = WATCH_NODATA_FIRE), ".wsss.", ".O.R.X", ""},
        {"is over when somebody speaks, judged or not", RULES(.nodata_us = 1000000, .nodata = WATCH_NODATA_FIRE), "uss.nun", ".O.X...", ""},
        {"a level of silence clears as another", RULES(.nodata_us = 1000000, .nodata = WATCH_NODATA_FIRE, .clear = 2), "uss.uuu", ".O..X..", ""},
        {"evidence takes it over", RULES(.nodata_us = 1000000, .nodata = WATCH_NODATA_FIRE), ".scu.", ".O..X", ""},
        {"of a stream that never spoke", RULES(.nodata_us = 3000000, .nodata = WATCH_NODATA_FIRE), "ssss", "..O.", ""},
        {"forgets what was pending", RULES(.hold = 2, .nodata_us = 2000000), "wsswww", "....O.", ""},
        {"does not count while an action settles", RULES(.settle_us = 3000000, .nodata_us = 2000000, .nodata = WATCH_NODATA_FIRE),
            ".wssssss", ".O....R.", "O"},
        {"waits for the cooldown", RULES(.cooldown_us = 4000000, .nodata_us = 1000000, .nodata = WATCH_NODATA_FIRE), "w.sssss", "OX...O.", ""},
    };
    (void)state;
    PLAY(scenes);
}

static void an_action_settles_and_is_verified(void **state)
{
    static const struct scene scenes[] = {
        {"windows while settling are not used", RULES(.settle_us = 3000000), "w.c..", "O...X", "O"},
        {"without an action nothing settles", RULES(.settle_us = 3000000), "w.c..", "OXOX.", ""},
        {"windows count anew after it", RULES(.settle_us = 2000000, .hold = 2), "wwccwccc", ".O....R.", "O"},
        {"clear counts anew after it", RULES(.settle_us = 1000000, .clear = 2), "w....", "O..X.", "O"},
        {"unverified once", RULES(.verify_us = 2000000), "wwwwwww.", "O.V....X", "OV"},
        {"verified", RULES(.verify_us = 3000000), "ww.....", "O.X....", "O"},
        {"unless something acted", RULES(.verify_us = 2000000), "wwwww", "O....", ""},
        {"of each episode", RULES(.verify_us = 1000000), "ww.ww.", "OVXOVX", "O"},
        {"the first action counts", RULES(.verify_us = 3000000), "iwiww", "ORLRV", "ORL"},
        {"asked after the settling", RULES(.verify_us = 1000000, .settle_us = 3000000), "wwwwww", "O...V.", "O"},
        {"a change goes first", RULES(.verify_us = 1000000), "cww.", "OLVX", "O"},
    };
    (void)state;
    PLAY(scenes);
}

static void episodes_keep_their_distance_and_their_age(void **state)
{
    static const struct scene scenes[] = {
        {"cooldown", RULES(.cooldown_us = 3000000), "w.wwww.", "OX..O.X", ""},
        {"opens after it only on a window that is there itself", RULES(.cooldown_us = 3000000, .hold = 2, .hold_of = 4), "ww.ww.w", ".OX...O", ""},
        {"cooldown does not hold back what is open", RULES(.cooldown_us = 9000000), "iwc", "ORR", ""},
        {"an end by age", RULES(.resolve_us = 3000000), "wwwww..", "O..XOX.", ""},
        {"an end by age while settling", RULES(.resolve_us = 2000000, .settle_us = 9000000), "wwww", "O.X.", "O"},
        {"an end by age goes before verification", RULES(.resolve_us = 2000000, .verify_us = 2000000), "www", "O.X", "O"},
        {"an end by age and holding anew", RULES(.resolve_us = 2000000, .hold = 2), "wwwww", ".O.X.", ""},
    };
    (void)state;
    PLAY(scenes);
}

/* The newest five of twenty possible changes weigh more than a quarter; two that are about to age out weigh 0.08. */
static void flapping_is_told_once_and_its_end_too(void **state)
{
    static const struct scene scenes[] = {
        {"a recovery while flapping is told by STEADY", RULES(.flap_enter = 0.25, .flap_leave = 0.1),
            "w.w.w.w.w.......................", "OXOXF......................S....", ""},
        {"what is open afterwards stays open", RULES(.flap_enter = 0.25, .flap_leave = 0.1),
            "w.w.wwwwwwwwwwwwwwwwwwwwwwwwww.", "OXOXF.................S.......X", ""},
        {"levels flap too", RULES(.flap_enter = 0.25, .flap_leave = 0.1), "wcwcwcwc", "ORLRF...", ""},
        {"nothing acts meanwhile", RULES(.flap_enter = 0.25, .flap_leave = 0.1, .verify_us = 1000000), "w.w.wwwwww", "OXOXF.....", "OF"},
        {"not asked for", RULES(), "w.w.w.w.w.w.w.w.w.w.w.w.", "OXOXOXOXOXOXOXOXOXOXOXOX", ""},
    };
    (void)state;
    PLAY(scenes);
}

static void a_window_that_is_not_new_changes_nothing(void **state)
{
    const struct watch_rules rules = RULES(.hold = 1, .hold_of = 1, .clear = 1, .warm_up_us = 0);
    struct watch_key key = {0}, before;
    struct watch_effect effect;
    (void)state;
    tell_story(&rules, &key, "..w", "..O", "");
    before = key;
    for (int64_t late = 0; late < 5; late++) {
        const struct watch_input input = window_of('.', key.seen_us - late * S);
        assert_false(watch_use(&rules, &key, &input).is_used);
        watch_step(&rules, &key, &input, &effect);
        assert_int_equal(effect.event, WATCH_NOTHING);
        assert_memory_equal(&key, &before, sizeof key);
    }
}

static void windows_are_used_and_learned_from(void **state)
{
    const struct watch_rules rules = RULES(.hold = 1, .hold_of = 1, .clear = 1, .settle_us = 2000000);
    struct watch_rules learning = rules;
    struct watch_key key = {0};
    (void)state;
    learning.learns_in_episode = true;
    tell_story(&rules, &key, ".w", ".O", "");
    const struct watch_input next = window_of('w', key.seen_us + S), overlapping = window_of('w', key.seen_us + 2 * S + S / 2),
                             later = window_of('w', key.seen_us + 3 * S);
    assert_true(watch_use(&rules, &key, &next).may_learn);      /* too young to know an episode from what is new */
    key.first_us -= WATCH_YOUNG_WINDOWS * (int64_t)S;
    assert_true(watch_use(&rules, &key, &next).is_used && !watch_use(&rules, &key, &next).may_learn);
    const struct watch_input long_after = window_of('w', key.opened_us + (WATCH_KEPT_WINDOWS + 1) * (int64_t)S);
    assert_true(watch_use(&rules, &key, &long_after).may_learn);
    assert_true(watch_use(&learning, &key, &next).may_learn);
    watch_acted(&rules, &key, key.seen_us);
    assert_int_equal(key.state, WATCH_COOLING);
    assert_false(watch_use(&learning, &key, &next).is_used || watch_use(&learning, &key, &next).may_learn);
    assert_false(watch_use(&rules, &key, &overlapping).is_used);
    assert_true(watch_use(&rules, &key, &later).is_used);
}

static void states_say_what_is_going_on(void **state)
{
    const struct watch_rules rules = RULES(.hold = 2, .hold_of = 3, .clear = 1, .warm_up_us = 1000000, .nodata_us = 2000000, .settle_us = 2000000);
    const struct { char letter; bool acts; enum watch_state expected; } steps[] = {
        {'.', false, WATCH_WARMING}, {'.', false, WATCH_NORMAL}, {'w', false, WATCH_PENDING}, {'w', false, WATCH_FIRING},
        {'w', true, WATCH_COOLING}, {'w', false, WATCH_COOLING}, {'w', false, WATCH_COOLING}, {'w', false, WATCH_FIRING},
        {'s', false, WATCH_FIRING}, {'s', false, WATCH_NODATA}, {'n', false, WATCH_FIRING}, {'.', false, WATCH_NORMAL}};
    struct watch_key key = {0};
    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct watch_effect effect;
        const struct watch_input input = window_of(steps[i].letter, (int64_t)(i + 1) * S);
        watch_step(&rules, &key, &input, &effect);
        if (steps[i].acts)
            watch_acted(&rules, &key, input.end_us);
        if (key.state != steps[i].expected)
            fail_msg("step %zu: %s instead of %s", i, watch_state_name(key.state), watch_state_name(steps[i].expected));
    }
}

static void levels_may_lie_below(void **state)
{
    const struct watch_rules rules = {.is_on_value = true, .hold = 1, .hold_of = 1, .clear = 1,
        .bounds = {[WATCH_WARNING] = {true, true, 10, 12}, [WATCH_CRITICAL] = {true, true, 5, 6}}};
    const struct { double value; enum watch_event event; enum watch_level level; } steps[] = {
        {20, WATCH_NOTHING, WATCH_OK}, {11, WATCH_NOTHING, WATCH_OK}, {10, WATCH_OPENED, WATCH_WARNING}, {12, WATCH_NOTHING, WATCH_WARNING},
        {4, WATCH_RAISED, WATCH_CRITICAL}, {6, WATCH_NOTHING, WATCH_CRITICAL}, {NAN, WATCH_NOTHING, WATCH_CRITICAL},
        {-INFINITY, WATCH_NOTHING, WATCH_CRITICAL}, {7, WATCH_LOWERED, WATCH_WARNING}, {13, WATCH_RESOLVED, WATCH_OK}};
    struct watch_key key = {0};
    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct watch_effect effect;
        const struct watch_input input = {(int64_t)i * S, (int64_t)(i + 1) * S, 1, steps[i].value, 0, true};
        watch_step(&rules, &key, &input, &effect);
        if (effect.event != steps[i].event || effect.to != steps[i].level)
            fail_msg("step %zu: %s to %s", i, watch_event_name(effect.event), watch_level_name(effect.to));
    }
    assert_int_equal(key.worst, WATCH_CRITICAL);
}

static void memory_from_a_disk_is_checked(void **state)
{
    struct watch_key key = {0}, bad;
    (void)state;
    assert_true(watch_key_check(&key, sizeof key));
    assert_false(watch_key_check(&key, sizeof key - 1));
    bad = key; bad.level = WATCH_LEVEL_COUNT; assert_false(watch_key_check(&bad, sizeof bad));
    bad = key; bad.state = 99; assert_false(watch_key_check(&bad, sizeof bad));
    bad = key; bad.episode = -1; assert_false(watch_key_check(&bad, sizeof bad));
    bad = key; bad.changes = UINT32_MAX; assert_false(watch_key_check(&bad, sizeof bad));
    bad = key; memset((char *)&bad + offsetof(struct watch_key, is_flapping), 7, 1); assert_false(watch_key_check(&bad, sizeof bad));
}

/* Random numbers that the seed gives again (SplitMix64). */
static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}
static int64_t below(uint64_t *seed, int64_t end) { return (int64_t)(next_random(seed) % (uint64_t)end); }

static struct watch_rules random_rules(uint64_t *seed)
{
    struct watch_rules rules = RULES(.is_on_value = below(seed, 2), .hold_of = 1 + (int32_t)below(seed, 64), .clear = 1 + (int32_t)below(seed, 4),
        .warm_up_us = below(seed, 4) * S, .nodata_us = below(seed, 4) * S, .nodata = (enum watch_nodata)below(seed, WATCH_NODATA_COUNT),
        .settle_us = below(seed, 4) * S, .verify_us = below(seed, 6) * S, .cooldown_us = below(seed, 6) * S,
        .resolve_us = below(seed, 2) * below(seed, 30) * S, .flap_enter = (double)below(seed, 3) * 0.2, .flap_leave = 0.1,
        .learns_in_episode = below(seed, 2));
    if (below(seed, 2))
        rules.hold_of = 1 + rules.hold_of % 3;
    rules.hold = 1 + (int32_t)below(seed, rules.hold_of);
    for (enum watch_level level = WATCH_INFO; level < WATCH_LEVEL_COUNT; level++)
        rules.bounds[level].is_set = below(seed, 3) > 0;
    return rules;
}

/* Mostly one after the other; now and then a gap, a window again, or one from long ago. */
static struct watch_input random_window(uint64_t *seed, const struct watch_key *key)
{
    static const char letters[] = "......sssniiwwcchu";
    static const int64_t steps[] = {S, S, S, S, S, S, S, S / 2, 5 * S, 0, -S, -100 * S};
    int64_t end_us = key->seen_us + steps[below(seed, sizeof steps / sizeof *steps)];
    struct watch_input input = window_of(letters[below(seed, sizeof letters - 1)], end_us);
    if (below(seed, 20) == 0)
        input.value = input.score = below(seed, 2) ? INFINITY : -NAN;
    return input;
}

struct course { bool is_open, is_flapping, was_unverified; int32_t episode; enum watch_level level; };

/* What was told must be a story that somebody who hears only this can follow. */
static void hear(struct course *course, const struct watch_effect *effect, const struct watch_key *key)
{
    if (effect->event == WATCH_NOTHING) {
        assert_int_equal(effect->episode, course->episode);
        assert_true(course->is_flapping || effect->to == course->level);
        return;
    }
    assert_int_equal(effect->to, key->level);
    if (!course->is_open) {
        assert_true(effect->event == WATCH_OPENED || effect->event == WATCH_FLAPPING);
        assert_int_equal(effect->from, WATCH_OK);
        assert_int_equal(effect->episode, course->episode + 1);
        *course = (struct course){.is_open = true, .episode = effect->episode, .level = WATCH_OK};
    } else {
        assert_int_not_equal(effect->event, WATCH_OPENED);
    }
    assert_int_equal(effect->episode, course->episode);
    assert_int_equal(course->is_flapping, effect->event == WATCH_STEADY);       /* while flapping STEADY alone is heard */
    assert_true(effect->event != WATCH_RAISED || effect->to > course->level);
    assert_true(effect->event != WATCH_LOWERED || (effect->to < course->level && effect->to > WATCH_OK));
    assert_true(effect->event != WATCH_UNVERIFIED || (!course->was_unverified && effect->to > WATCH_OK));
    assert_true(effect->event != WATCH_RESOLVED || effect->to == WATCH_OK);
    course->was_unverified |= effect->event == WATCH_UNVERIFIED;
    course->is_flapping = effect->event == WATCH_FLAPPING;
    course->is_open = effect->event != WATCH_RESOLVED && !(effect->event == WATCH_STEADY && effect->to == WATCH_OK);
    course->level = effect->to;
}

static void random_course(uint64_t first_seed)
{
    uint64_t seed = first_seed;
    const struct watch_rules rules = random_rules(&seed);
    struct watch_key key = {0};
    struct course course = {0};
    for (int i = 0; i < 300; i++) {
        struct watch_input input = random_window(&seed, &key);
        struct watch_key copy = key;
        struct watch_effect effect, again;
        bool is_used = watch_use(&rules, &key, &input).is_used;
        watch_step(&rules, &key, &input, &effect);
        watch_step(&rules, &copy, &input, &again);
        assert_memory_equal(&key, &copy, sizeof key);
        assert_memory_equal(&effect, &again, sizeof effect);
        assert_true(watch_key_check(&key, sizeof key));
        assert_true(is_used || effect.event == WATCH_NOTHING || (rules.resolve_us > 0 && effect.to == WATCH_OK));
        hear(&course, &effect, &key);
        assert_int_equal(course.is_open, watch_is_open(&key));
        assert_int_equal(course.is_flapping, key.is_flapping);
        if (effect.event != WATCH_NOTHING && below(&seed, 2))
            watch_acted(&rules, &key, input.end_us);
    }
}

static uint64_t course_seed;

static void any_course_can_be_followed_and_replayed(void **state)
{
    (void)state;
    for (course_seed = 1; course_seed <= 3000; course_seed++)
        random_course(course_seed);
    course_seed = 0;
}

static int say_seed(void **state)
{
    (void)state;
    if (course_seed)
        print_error("random_course(%llu)\n", (unsigned long long)course_seed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_hold_and_clear),
        cmocka_unit_test(what_is_not_known_is_no_evidence),
        cmocka_unit_test(silence_follows_its_policy),
        cmocka_unit_test(an_action_settles_and_is_verified),
        cmocka_unit_test(episodes_keep_their_distance_and_their_age),
        cmocka_unit_test(flapping_is_told_once_and_its_end_too),
        cmocka_unit_test(a_window_that_is_not_new_changes_nothing),
        cmocka_unit_test(windows_are_used_and_learned_from),
        cmocka_unit_test(states_say_what_is_going_on),
        cmocka_unit_test(levels_may_lie_below),
        cmocka_unit_test(memory_from_a_disk_is_checked),
        cmocka_unit_test_teardown(any_course_can_be_followed_and_replayed, say_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
