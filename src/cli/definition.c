/* Definitions as given on the command line: see definition.h.  Layer cli; main thread. */
#include "cli/definition.h"

#include <string.h>

#include "base/fs.h"
#include "cli/assignment.h"

enum { DEFINITION_MAX = 4 << 20 };

json_t *definition_get(const json_t *definition, const char *member)
{
    const char *dot = strchr(member, '.');
    json_t *whole = json_object_get(definition, member);
    if (whole || !dot)
        return whole;
    SU_AUTO_FREE char *head = su_strndup(member, (size_t)(dot - member));
    return definition_get(json_object_get(definition, head), dot + 1);
}

void definition_set(json_t *definition, const char *member, json_t *value)
{
    const char *dot = strchr(member, '.');
    if (!dot) {
        json_object_set_new(definition, member, value);
        return;
    }
    SU_AUTO_FREE char *head = su_strndup(member, (size_t)(dot - member));
    json_t *inner = json_object_get(definition, head);
    if (!json_is_object(inner))
        json_object_set_new(definition, head, inner = json_object());
    definition_set(inner, dot + 1, value);
}

bool definition_read(const char *file, json_t **ret, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf text = SU_BUF(DEFINITION_MAX);
    SU_AUTO_JSON json_t *read = NULL;
    if (!file) {
        *ret = json_object();
        return true;
    }
    if (!su_file_read(strcmp(file, "-") == 0 ? "/dev/stdin" : file, DEFINITION_MAX, &text, err) ||
        !su_json_parse(su_buf_str(&text), file, &read, err))
        return false;
    if (!json_is_object(read))
        return su_fail(err, SU_INVALID, "%s: a definition is a JSON object", file);
    *ret = su_take(read);
    return true;
}

bool definition_assign(json_t *definition, const char *assignment, struct su_err *err)
{
    const char *member;
    json_t *value;
    SU_AUTO_JSON json_t *given = json_object();
    if (!assignment_parameter(given, assignment, err))
        return false;
    json_object_foreach(given, member, value)
        definition_set(definition, member, json_incref(value));
    return true;
}

bool definition_arguments(const struct invocation *in, int first, json_t *definition, struct su_err *err)
{
    const char *file = NULL;
    SU_AUTO_JSON json_t *read = NULL;
    for (int i = first; i < invocation_count(in); i++) {
        const char *argument = invocation_argument(in, i);
        if (strchr(argument, '='))
            continue;
        if (file)
            return su_fail(err, SU_INVALID, "\"%s\": a definition comes from one file, and that is %s", argument, file);
        file = argument;
    }
    if (!definition_read(file, &read, err))
        return false;
    json_object_update(definition, read);
    for (int i = first; i < invocation_count(in); i++)
        if (strchr(invocation_argument(in, i), '=') && !definition_assign(definition, invocation_argument(in, i), err))
            return false;
    return true;
}

/* The list or object that an option adds to. */
static json_t *holder_of(json_t *definition, const struct definition_setting *setting)
{
    bool is_list = setting->kind == DEFINITION_TEXTS;
    json_t *holder = definition_get(definition, setting->member);
    if (is_list ? json_is_array(holder) : json_is_object(holder))
        return holder;
    holder = is_list ? json_array() : json_object();
    definition_set(definition, setting->member, holder);
    return holder;
}

static const struct option_spec *spec_of(const struct invocation *in, const char *option)
{
    const struct option_spec *spec = invocation_command(in)->options;
    while (strcmp(spec->name, option) != 0)
        spec++;
    return spec;
}

static bool add_text_pair(json_t *object, const char *pair, const struct option_spec *spec, struct su_err *err)
{
    struct su_str name, text;
    char separator = pair[strcspn(pair, ":=")];
    if (!separator || !su_str_cut(su_str_of(pair), separator, &name, &text) || !name.len) {
        su_fail(err, SU_INVALID, "--%s must be %s, was \"%s\"", spec->name, spec->value, pair);
        return su_hint(err, "it is %s", spec->help);
    }
    json_object_setn_new(object, name.ptr, name.len, su_json_text_or_null(su_str_trim(text).ptr));
    return true;
}

static bool set_option(const struct invocation *in, const struct definition_setting *setting, const char *value, json_t *definition,
                       struct su_err *err)
{
    SU_AUTO_FREE char *assignment = NULL;
    switch (setting->kind) {
    case DEFINITION_TEXT:
        definition_set(definition, setting->member, su_json_text_or_null(value));
        return true;
    case DEFINITION_VALUE:
        assignment = su_format("%s=%s", setting->member, value);
        return definition_assign(definition, assignment, err) || su_prefix(err, "--%s", setting->option);
    case DEFINITION_TEXTS:
        json_array_append_new(holder_of(definition, setting), su_json_text_or_null(value));
        return true;
    case DEFINITION_PAIRS:
        return assignment_parameter(holder_of(definition, setting), value, err);
    case DEFINITION_TEXT_PAIRS:
        return add_text_pair(holder_of(definition, setting), value, spec_of(in, setting->option), err);
    case DEFINITION_SWITCH:
        definition_set(definition, setting->member, json_true());
        return true;
    case DEFINITION_KIND_COUNT:
        break;
    }
    su_assert(false);
    return false;
}

/* Is this the first time that the option was given? */
static bool is_first(const struct invocation *in, size_t at, const char *option)
{
    const char *name, *value;
    for (size_t i = 0; i < at && invocation_each(in, i, &name, &value); i++)
        if (strcmp(name, option) == 0)
            return false;
    return true;
}

bool definition_options(const struct invocation *in, const struct definition_setting *settings, json_t *definition, struct su_err *err)
{
    const char *name, *value;
    for (size_t at = 0; invocation_each(in, at, &name, &value); at++) {
        for (const struct definition_setting *setting = settings; setting->option; setting++) {
            if (strcmp(setting->option, name) != 0)
                continue;
            if (setting->kind == DEFINITION_TEXTS && is_first(in, at, name))
                definition_set(definition, setting->member, json_array());
            if (!set_option(in, setting, value, definition, err))
                return false;
        }
    }
    return true;
}
