/* Arena: memory for one request, run or statement, freed all at once.  Layer base; one thread at a time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "str.h"

enum { FIRST_BYTES = 960, BLOCK_BYTES = 4096 };   /* most requests need no more than the first */

struct block { struct block *next; size_t used, size; _Alignas(16) char bytes[]; };
struct su_arena { struct block *blocks; };

struct su_arena *su_arena_new(void) { return su_alloc(sizeof(struct su_arena)); }

void su_arena_free(struct su_arena *arena)
{
    if (!arena)
        return;
    for (struct block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    free(arena);
}

void *su_arena_alloc(struct su_arena *arena, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    struct block *block = arena->blocks;
    if (!block || block->size - block->used < size) {
        size_t usual = block ? BLOCK_BYTES : FIRST_BYTES;
        size_t room = size > usual / 4 ? size : usual - sizeof *block;
        block = su_alloc(sizeof *block + room);
        block->size = room;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    void *memory = block->bytes + block->used;
    block->used += size;
    return memory;
}

char *su_arena_strndup(struct su_arena *arena, const char *text, size_t len)
{
    char *copy = su_arena_alloc(arena, len + 1);
    if (len)
        memcpy(copy, text, len);
    return copy;
}

char *su_arena_strdup(struct su_arena *arena, const char *text)
{
    return text ? su_arena_strndup(arena, text, strlen(text)) : NULL;
}

char *su_arena_format(struct su_arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    su_assert(length >= 0);
    char *text = su_arena_alloc(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}
