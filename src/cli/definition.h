/* Definitions as given on the command line: a JSON file, FIELD=VALUE and options, put together.  Layer cli; main thread. */
#pragma once
#include "cli/command.h"

/* An option that sets a member of the definition: a path with dots. */
enum definition_kind {
    DEFINITION_TEXT,    /* as it is */
    DEFINITION_VALUE,   /* JSON if it reads as such, as -p takes it */
    DEFINITION_TEXTS,   /* a list of all that were given */
    DEFINITION_PAIRS,   /* NAME=VALUE as -p takes it: members of an object */
    DEFINITION_TEXT_PAIRS,  /* NAME=TEXT or NAME: TEXT: the same, texts */
    DEFINITION_SWITCH,  /* true */
    DEFINITION_KIND_COUNT
};
struct definition_setting { const char *option, *member; enum definition_kind kind; };

/* The JSON object in a file ("-": standard input); file NULL: an empty one. */
bool definition_read(const char *file, json_t **ret, struct su_err *err);
/* Arguments from `first` on, over what is there: at most one file, then each FIELD=VALUE, whose FIELD may have dots. */
bool definition_arguments(const struct invocation *in, int first, json_t *definition, struct su_err *err);
/* Options that were given, over what is there; settings end with one that has no option. */
bool definition_options(const struct invocation *in, const struct definition_setting *settings, json_t *definition, struct su_err *err);
/* "FIELD=VALUE" as -p takes it; FIELD may have dots. */
bool definition_assign(json_t *definition, const char *assignment, struct su_err *err);
/* Set a member; takes value. */
void definition_set(json_t *definition, const char *member, json_t *value);
/* The member at a path with dots, or NULL. */
json_t *definition_get(const json_t *definition, const char *member);
