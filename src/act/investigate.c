/* A notebook that looks at one decision: see investigate.h.  Layer act; pure. */
#include "investigate.h"
#include <ctype.h>
#include <string.h>
#include "base/clock.h"

enum { CELL_MAX = 256 * 1024 };

static const char *text_of(const json_t *object, const char *key) { return su_json_string(object, key, ""); }

char *investigate_name(const json_t *decision) { return su_format("investigate/%s", text_of(decision, "id")); }

/* --- the facts ------------------------------------------------------------------------ */

/* Markdown takes every punctuation mark with a backslash for itself. */
static void add_plain(struct su_buf *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x80 && ispunct(c))
            su_buf_addc(out, '\\');
        su_buf_addc(out, c < 0x20 || c == 0x7f ? ' ' : *text);
    }
}

static void add_fact(struct su_buf *out, const char *name, const char *text)
{
    if (!*text)
        return;
    su_buf_addf(out, "| %s | ", name);
    add_plain(out, text);
    su_buf_adds(out, " |\n");
}

static void add_number(struct su_buf *out, const char *name, const json_t *value)
{
    if (json_is_number(value))
        su_buf_addf(out, "| %s | %.6g |\n", name, json_number_value(value));
}

static void add_normal(struct su_buf *out, const json_t *grounds)
{
    const json_t *low = json_object_get(grounds, "low"), *high = json_object_get(grounds, "high");
    add_number(out, "expected", json_object_get(grounds, "expected"));
    if (json_is_number(low) && json_is_number(high))
        su_buf_addf(out, "| normal | %.6g to %.6g |\n", json_number_value(low), json_number_value(high));
}

static void add_models(struct su_buf *out, const json_t *models)
{
    size_t i;
    json_t *model;
    json_array_foreach(models, i, model) {
        SU_AUTO_FREE char *text = su_format("%s, version %lld", text_of(model, "name"), (long long)su_json_int(model, "version", 0));
        add_fact(out, "model", text);
    }
}

static void write_facts(struct su_buf *out, const json_t *decision)
{
    const json_t *window = json_object_get(decision, "window"), *grounds = json_object_get(decision, "grounds");
    const char *watch = text_of(decision, "watch");
    SU_AUTO_FREE char *span = su_format("%s to %s", text_of(window, "start"), text_of(window, "end"));
    SU_AUTO_FREE char *messages = su_format("%lld at offsets %lld to %lld", (long long)su_json_int(window, "messages", 0),
                                            (long long)su_json_int(window, "from", 0), (long long)su_json_int(window, "to", 0) - 1);
    su_buf_adds(out, "# ");
    add_plain(out, *watch ? watch : text_of(decision, "consumer"));
    su_buf_adds(out, ": ");
    add_plain(out, *text_of(decision, "event") ? text_of(decision, "event") : text_of(decision, "action"));
    su_buf_adds(out, "\n\n");
    add_plain(out, text_of(decision, "reason"));
    su_buf_adds(out, "\n\n| | |\n|---|---|\n");
    add_fact(out, "decision", text_of(decision, "id"));
    add_fact(out, "level", text_of(decision, "level"));
    add_fact(out, "stream", text_of(decision, "stream"));
    add_fact(out, "key", text_of(decision, "key"));
    add_fact(out, "window", span);
    add_fact(out, "messages", messages);
    add_number(out, "value", json_object_get(grounds, "value"));
    add_normal(out, grounds);
    add_number(out, "score", json_object_get(grounds, "score"));
    add_fact(out, "code", text_of(decision, "code"));
    add_models(out, json_object_get(decision, "models"));
    add_fact(out, "run", text_of(decision, "run"));
    add_fact(out, "action", text_of(decision, "action"));
    add_fact(out, "decided", text_of(decision, "decided_at"));
}

/* --- parameters ----------------------------------------------------------------------- */

/* A JSON text is a Python text. */
static void add_assignment(struct su_buf *out, const char *name, const char *text, const char *remark)
{
    su_buf_addf(out, "%s = ", name);
    su_json_add_text(out, su_str_of(text));
    su_buf_addf(out, "%s%s\n", *remark ? "  # " : "", remark);
}

/* The watch's `by`, whether the definition stands by itself or among what else is known of the watch. */
static const json_t *fields_of(const json_t *watch)
{
    const json_t *definition = json_object_get(watch, "definition");
    return json_object_get(definition ? definition : watch, "by");
}

static void write_parameters(struct su_buf *out, const json_t *decision, const json_t *watch)
{
    char before[SU_TIME_TEXT_US], after[SU_TIME_TEXT_US];
    const json_t *window = json_object_get(decision, "window"), *by = fields_of(watch);
    int64_t start_us = su_json_int(window, "start_us", 0), end_us = su_json_int(window, "end_us", 0), width_us = end_us - start_us;
    add_assignment(out, "decision_id", text_of(decision, "id"), "");
    add_assignment(out, "stream", text_of(decision, "stream"), "");
    if (watch) {
        SU_AUTO_FREE char *fields = json_array_size(by) ? su_json_text(by) : su_strdup("[]");
        add_assignment(out, "watch", text_of(decision, "watch"), "");
        add_assignment(out, "key", text_of(decision, "key"), "");
        su_buf_addf(out, "by = %s\n", fields);
    }
    add_assignment(out, "start", text_of(window, "start"), "its window");
    add_assignment(out, "end", text_of(window, "end"), "");
    add_assignment(out, "before", su_time_text_us(start_us - INVESTIGATE_WINDOWS_BEFORE * width_us, before), "what is looked at");
    add_assignment(out, "after", su_time_text_us(end_us + INVESTIGATE_WINDOWS_AFTER * width_us, after), "");
}

/* --- the cells -------------------------------------------------------------------------- */

static const char load_code[] = "import matplotlib.pyplot as plt\n"
                                "import pandas as pd\n"
                                "import suricate as s\n"
                                "\n"
                                "decision = s.why(decision_id)\n"
                                "frame = s.window(stream, from_=before, to=after, meta=True)\n";
static const char key_code[] = "if by:\n"
                               "    named = frame.reindex(columns=by).astype(object).fillna(\"\").astype(str).agg(\",\".join, axis=1)\n"
                               "    frame = frame[named.str.casefold() == key.casefold()]\n";
static const char show_code[] = "frame[(frame.index >= start) & (frame.index < end)]";

static const char watch_text[] = "## What the watch saw\n"
                                 "\n"
                                 "Value and score of every window, by the code that decides live. The decision's window is marked.";
static const char watch_code[] = "decisions, scores = s.backtest(watch, from_=before, to=after, key=key, scores=True)\n"
                                 "figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(10, 5), height_ratios=(3, 1))\n"
                                 "above.fill_between(scores.index, scores.low, scores.high, alpha=0.2, label=\"normal\")\n"
                                 "above.plot(scores.index, scores.expected, linewidth=1, label=\"expected\")\n"
                                 "above.plot(scores.index, scores.value, marker=\".\", color=\"black\", label=\"value\")\n"
                                 "below.plot(scores.index, scores.score, marker=\".\", color=\"black\")\n"
                                 "below.set_ylabel(\"score\")\n"
                                 "for axis in (above, below):\n"
                                 "    axis.axvspan(pd.Timestamp(start), pd.Timestamp(end), color=\"crimson\", alpha=0.2)\n"
                                 "above.set_title(f\"{watch} {key}\".strip())\n"
                                 "above.legend(loc=\"upper left\")\n"
                                 "s.show()";
static const char again_text[] = "## The decision once more\n"
                                 "\n"
                                 "What the watch decides over this stretch as it is defined now. If `again` is false, its definition has changed since.";
static const char again_code[] = "again = decision_id in set(decisions.id)\n"
                                 "s.result({\"decision\": decision_id, \"windows\": len(scores), \"again\": again})\n"
                                 "decisions";

static const char windows_text[] = "## Window by window\n"
                                   "\n"
                                   "Means of all numbers, and how many messages there were. The decision's window is marked.";
static const char windows_code[] = "width = pd.Timestamp(end) - pd.Timestamp(start)\n"
                                   "hidden = [name for name in frame if name.startswith(\"_\")]\n"
                                   "windows = frame.drop(columns=hidden).select_dtypes(\"number\").resample(width, origin=\"epoch\").mean()\n"
                                   "windows[\"messages\"] = frame.resample(width, origin=\"epoch\").size()\n"
                                   "for axis in windows.plot(subplots=True, sharex=True, marker=\".\", figsize=(10, 1.5 + 1.5 * windows.shape[1])):\n"
                                   "    axis.axvspan(pd.Timestamp(start), pd.Timestamp(end), color=\"crimson\", alpha=0.2)\n"
                                   "s.show()";
static const char judge_text[] = "## Would a detector have seen it?\n"
                                 "\n"
                                 "Each window's means, judged by the default detector with what came before it.";
static const char judge_code[] = "scores = s.detect(\"combination\", windows.ffill().fillna(0.0))\n"
                                 "s.result({\"decision\": decision_id, \"windows\": len(windows)})\n"
                                 "scores.loc[start:end]";

static void add_cell(json_t *cells, const char *id, struct su_str source, bool is_code, const char *tag)
{
    json_t *tags = *tag ? json_pack("[s]", tag) : json_array();
    json_t *cell = json_pack("{s:s, s:s, s:o, s:{}}", "id", id, "cell_type", is_code ? "code" : "markdown", "source",
                             json_stringn(source.ptr, source.len), "metadata");
    if (json_array_size(tags))
        json_object_set(json_object_get(cell, "metadata"), "tags", tags);
    json_decref(tags);
    if (is_code) {
        json_object_set_new(cell, "execution_count", json_null());
        json_object_set_new(cell, "outputs", json_array());
    }
    json_array_append_new(cells, cell);
}

bool investigate_notebook(const json_t *decision, const json_t *watch, json_t **ret, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf facts = SU_BUF(CELL_MAX), parameters = SU_BUF(CELL_MAX), load = SU_BUF(CELL_MAX);
    if (!json_is_object(json_object_get(decision, "window")) || !*text_of(decision, "stream"))
        return su_fail(err, SU_INVALID, "decision %s is about no window of a stream, so there is nothing to load", text_of(decision, "id"));
    write_facts(&facts, decision);
    write_parameters(&parameters, decision, watch);
    su_buf_addf(&load, "%s%s%s", load_code, watch ? key_code : "", show_code);
    if (facts.failed || parameters.failed)
        return su_fail(err, SU_LIMIT, "the decision's facts do not fit into a cell of %d kB", CELL_MAX / 1024);
    json_t *cells = json_array();
    add_cell(cells, "facts", su_buf_str(&facts), false, "");
    add_cell(cells, "parameters", su_buf_str(&parameters), true, "parameters");
    add_cell(cells, "messages", su_buf_str(&load), true, "");
    add_cell(cells, "seen", su_str_of(watch ? watch_text : windows_text), false, "");
    add_cell(cells, "picture", su_str_of(watch ? watch_code : windows_code), true, "");
    add_cell(cells, "once-more", su_str_of(watch ? again_text : judge_text), false, "");
    add_cell(cells, "again", su_str_of(watch ? again_code : judge_code), true, "");
    *ret = json_pack("{s:i, s:i, s:{s:{s:s, s:s, s:s}, s:{s:s}}, s:o}", "nbformat", 4, "nbformat_minor", 5, "metadata", "kernelspec", "name",
                     "python3", "display_name", "Python 3", "language", "python", "language_info", "name", "python", "cells", cells);
    return true;
}
