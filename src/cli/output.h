/* What people read: tables, sizes, times, and text made harmless for a terminal.
 * Layer cli; main thread. */
#pragma once
#include <stdint.h>
#include <stdio.h>
#include "base/json.h"

/* A table that is printed when it is complete, columns as wide as they need. */
struct output_table;
struct output_table *output_table_new(size_t columns, const char *const *titles);
void output_table_free(struct output_table *table);
/* One cell after the other, row by row; text is copied. */
void output_table_add(struct output_table *table, const char *text);
void output_table_addf(struct output_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Numbers read better on the right. */
void output_table_right(struct output_table *table, size_t column);
void output_table_print(const struct output_table *table, FILE *to);

/* JSON as it is, two spaces deep, and a newline. */
void output_json(const json_t *value);
/* A list that may be long, as {"items": [...]}: each item as it comes, then the end. */
struct output_list { bool has_items; };
void output_list_item(struct output_list *list, const json_t *item);
void output_list_end(const struct output_list *list);

/* "29.1 kB" (decimal units, as disks are sold); "1.2 s", "3 min 5 s"; "2013-09-05 20:30" in local time. */
enum { OUTPUT_TEXT = 48 };
const char *output_size(uint64_t bytes, char text[static OUTPUT_TEXT]);
const char *output_duration(double seconds, char text[static OUTPUT_TEXT]);
const char *output_time(const char *rfc3339, char text[static OUTPUT_TEXT]);

/* Foreign text for a line of ours: control characters become '?'. */
void output_text(FILE *to, const char *text);
/* A JSON value in one line: text without quotes, the rest compact. */
char *output_value(const json_t *value);
/* What a notebook printed: as it came to a pipe; on a terminal only colours get through. */
void output_stream(FILE *to, const char *text);
