/* Definitions put together from fields and options: cli/definition.h. */
#include "check.h"
#include "cli/definition.h"
#include "cli/serve.h"

/* The table of commands names the server, which is no part of the client's library. */
const struct option_spec serve_options[] = {{.name = NULL}};
int serve_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    return 1;
}

static const struct option_spec options[] = {
    {.name = "every", .value = "TIME", .help = ""},
    {.name = "by", .value = "FIELD", .help = "", .is_repeated = true},
    {.name = "warning", .value = "N", .help = ""},
    {.name = "header", .value = "NAME: VALUE", .help = "a header", .is_repeated = true},
    {.name = "parameter", .letter = 'p', .value = "NAME=VALUE", .help = "", .is_repeated = true},
    {.name = "dry-run", .help = ""},
    {.name = NULL},
};
static const struct definition_setting settings[] = {
    {"every", "every"}, {"by", "by", DEFINITION_TEXTS}, {"warning", "levels.warning.enter", DEFINITION_VALUE},
    {"header", "headers", DEFINITION_TEXT_PAIRS}, {"parameter", "detector.parameters", DEFINITION_PAIRS},
    {"dry-run", "dry_run", DEFINITION_SWITCH}, {NULL, NULL},
};
static const struct command command = {.name = "put", .options = options, .arguments_max = 100};

/* What the words, ended by NULL, make of the definition; NULL when they are refused. */
static json_t *made_of(const char *before, const char *const *words, struct su_err *err)
{
    char *argv[32];
    int argc = 0;
    struct invocation *in = NULL;
    json_t *definition = NULL;
    argv[argc++] = su_strdup("suricate");
    argv[argc++] = su_strdup("put");
    for (; *words; words++)
        argv[argc++] = su_strdup(*words);
    argv[argc] = NULL;
    char *strings[32];
    memcpy(strings, argv, sizeof strings);
    assert_true(su_json_parse(su_str_of(before), "before", &definition, err));
    assert_true(invocation_parse(&command, argc, argv, 1, &in, err));
    bool done = definition_arguments(in, 0, definition, err) && definition_options(in, settings, definition, err);
    invocation_free(in);
    for (int i = 0; i < argc; i++)
        free(strings[i]);
    if (!done)
        json_decref(definition);
    return done ? definition : NULL;
}

static void assert_made(const char *before, const char *const *words, const char *after)
{
    struct su_err err = {.code = SU_INTERNAL};
    SU_AUTO_JSON json_t *made = made_of(before, words, &err);
    SU_AUTO_JSON json_t *wanted = NULL;
    assert_non_null(made);
    assert_true(su_json_parse(su_str_of(after), "after", &wanted, &err));
    assert_true(json_equal(made, wanted));
}

static void fields_and_options_reach_members_of_members(void **state)
{
    (void)state;
    const char *const words[] = {"hold.windows=3", "name=web", "--every", "10s", "--warning", "0.99", "-p", "above=8", "-p", "zone=UTC", "--dry-run",
                                 "--header", "X-Team: blue", NULL};
    assert_made("{}", words,
                "{\"hold\": {\"windows\": 3}, \"name\": \"web\", \"every\": \"10s\", \"levels\": {\"warning\": {\"enter\": 0.99}},"
                " \"detector\": {\"parameters\": {\"above\": 8, \"zone\": \"UTC\"}}, \"dry_run\": true, \"headers\": {\"X-Team\": \"blue\"}}");
}

static void what_is_said_goes_over_what_is_there_and_leaves_the_rest(void **state)
{
    (void)state;
    const char *const words[] = {"--warning", "5", "--by", "a", "--by", "b", NULL};
    assert_made("{\"levels\": {\"warning\": {\"enter\": 1, \"leave\": 0}}, \"by\": [\"c\"], \"every\": \"1m\"}", words,
                "{\"levels\": {\"warning\": {\"enter\": 5, \"leave\": 0}}, \"by\": [\"a\", \"b\"], \"every\": \"1m\"}");
}

static void what_makes_no_sense_is_refused_with_its_name(void **state)
{
    (void)state;
    static const char *const refused[][4] = {{"one.json", "two.json"}, {"--header", "nothing"}, {"-p", "above"}, {"=3"}};
    for (size_t i = 0; i < SU_COUNT(refused); i++) {
        struct su_err err = {.code = SU_INTERNAL};
        assert_null(made_of("{}", refused[i], &err));
        assert_int_equal(err.code, SU_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_and_options_reach_members_of_members),
        cmocka_unit_test(what_is_said_goes_over_what_is_there_and_leaves_the_rest),
        cmocka_unit_test(what_makes_no_sense_is_refused_with_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
