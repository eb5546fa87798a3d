/* Strings and buffers.  Layer base; a buffer belongs to one thread at a time.
 *
 * struct su_str borrows.  struct su_buf owns, is born with a maximum, keeps its
 * first failure (buf.failed) so that appends need no check one by one, and is
 * taken once.  Memory of sizes our code chose aborts when it can't be had. */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "err.h"

struct su_str { const char *ptr; size_t len; };

#define SU_STR(literal) ((struct su_str){(literal), sizeof(literal) - 1})
struct su_str su_str_of(const char *text);              /* NULL gives the empty string */
bool su_str_equal(struct su_str a, struct su_str b);
bool su_str_starts(struct su_str text, struct su_str prefix);
bool su_str_ends(struct su_str text, struct su_str suffix);
struct su_str su_str_trim(struct su_str text);          /* ASCII white space off both ends */
/* Split at the first `at`; false (ret_head = text, ret_tail empty) when absent. */
bool su_str_cut(struct su_str text, char at, struct su_str *ret_head, struct su_str *ret_tail);
bool su_utf8_valid(struct su_str text);
/* Whole string as a number in [min,max]; false otherwise (no white space, no sign for u64). */
bool su_str_u64(struct su_str text, uint64_t max, uint64_t *ret);
/* "250ms", "30s", "5m", "2h", "7d" → milliseconds. */
bool su_str_duration_ms(struct su_str text, uint64_t *ret);

struct su_buf { char *ptr; size_t len, capacity, max; bool failed; };
#define SU_BUF(maximum) ((struct su_buf){.max = (maximum)})
void su_buf_done(struct su_buf *buf);
void su_buf_clear(struct su_buf *buf);                   /* keeps memory, clears failed */
void su_buf_add(struct su_buf *buf, const void *data, size_t len);
void su_buf_adds(struct su_buf *buf, const char *text);
void su_buf_addc(struct su_buf *buf, char c);
void su_buf_addf(struct su_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Room for len more bytes at the end, NULL (failed) past the maximum; then su_buf_grew. */
char *su_buf_room(struct su_buf *buf, size_t len);
void su_buf_grew(struct su_buf *buf, size_t len);
struct su_str su_buf_str(const struct su_buf *buf);      /* borrowed; always NUL-terminated */
/* Hand the bytes over (NUL-terminated, caller frees); NULL when the buffer failed. */
char *su_buf_take(struct su_buf *buf, size_t *ret_len);

/* Never NULL: they abort. Free with free(). */
void *su_alloc(size_t size);                             /* zeroed */
void *su_realloc(void *old, size_t size);
char *su_strdup(const char *text);                       /* NULL gives NULL */
char *su_strndup(const char *text, size_t len);
char *su_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Scope clean-up and hand-over. */
#define SU_CLEANUP(function) __attribute__((cleanup(function)))
static inline void su_free_pointer(void *pointer) { extern void free(void *); free(*(void **)pointer); }
#define SU_AUTO_FREE SU_CLEANUP(su_free_pointer)
#define SU_AUTO_BUF SU_CLEANUP(su_buf_done)
#define su_take(pointer) ({ typeof(pointer) su_taken_ = (pointer); (pointer) = NULL; su_taken_; })
#define SU_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Arena: memory for one request, run or statement; freed all at once. */
struct su_arena;
struct su_arena *su_arena_new(void);
void su_arena_free(struct su_arena *arena);
void *su_arena_alloc(struct su_arena *arena, size_t size);      /* zeroed, 16-aligned */
char *su_arena_strndup(struct su_arena *arena, const char *text, size_t len);
char *su_arena_strdup(struct su_arena *arena, const char *text);
char *su_arena_format(struct su_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
