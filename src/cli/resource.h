/* Named things of the API and what every group of commands does with them: put, ls, show, rm, ask.  Layer cli; main thread.
 *
 * A command's row points at its resource, so these functions are rows' functions themselves. */
#pragma once
#include "cli/command.h"
#include "cli/definition.h"
#include "cli/pages.h"

struct resource {
    const char *noun;           /* "watch" */
    const char *path;           /* "/v1/watches" */
    const struct pages_view *view;                  /* how a list of them looks */
    const char *const *filters; /* options that are queries of the list; ends with NULL; or NULL */
    const struct definition_setting *settings;      /* options that are members of a definition; or NULL */
    /* What else options say about the definition; or NULL. */
    bool (*complete)(const struct invocation *in, json_t *definition, struct su_err *err);
    void (*print)(const json_t *record);            /* how one looks; NULL: every member in a row */
};

/* "/v1/watches/NAME" and rest, encoded; caller frees. */
char *resource_path(const char *path, const char *name, const char *rest);

/* NAME [FILE] [FIELD=VALUE…]: PUT. */
command_fn resource_run_put;
/* NAME [FILE] [FIELD=VALUE…]: change what is said of the "definition" that is there. */
command_fn resource_run_set;
command_fn resource_run_ls;
command_fn resource_run_show;
/* NAME… */
command_fn resource_run_rm;
/* NAME: POST to PATH/NAME/VERB, where VERB is the last word of the command; the options that are settings are its body. */
command_fn resource_run_post;

/* --- for commands of their own --- */

/* PUT body as the resource's NAME, the first argument; then say so. Exit status. */
int resource_put(struct invocation *in, const char *path, const char *noun, const json_t *body, struct su_err *err);
/* Send and print the answer: with --json as it is, else by print (NULL: nothing). Exit status. */
int resource_send(struct invocation *in, const char *method, const char *path, const json_t *body, void (*print)(const json_t *),
                  struct su_err *err);
/* The "definition" of a thing that is there (new reference); *ret_condition an If-Match header for its change, or NULL (caller
 * frees; may be NULL). */
bool resource_definition(struct invocation *in, const char *path, const char *name, json_t **ret, char **ret_condition, struct su_err *err);
/* GET and print. Exit status. */
int resource_get(struct invocation *in, const char *path, void (*print)(const json_t *), struct su_err *err);
/* The options named in filters, as queries of the path. */
void resource_add_filters(const struct invocation *in, const char *const *filters, struct su_buf *path);
