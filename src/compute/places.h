/* Where everything of compute lies, and the files it lays out at start.  Layer compute.
 *
 * RUNTIME/                 0711, short: sockets
 *   api/                   the server's api.sock; kernels see it as /run/suricate
 *   lib-HASH/              SDK, system call filters, small /etc; kernels see it as /opt/suricate/lib
 *   keepers/NAME           keepers' sockets, 0700
 *   kernels/NAME/          a kernel's own folder; it sees it as /run/kernel
 *   zygotes/KEY/           a zygote's socket
 * DIR/run/warm/NAME/       keepers nobody has claimed: spec.json, keeper.json, spool, log
 * DIR/run/kernels/ID/      the same, claimed */
#pragma once
#include "compute/kernel.h"

struct places {
    char *data, *runtime, *lib, *environment, *python, *keeper, *init, *bwrap;
    char *share;                    /* folder of the package `suricate` */
    char lib_hash[17];
    uint32_t uid;                   /* whom kernels run as */
};

bool places_open(struct places *places, const struct compute_config *config, struct su_err *err);
void places_close(struct places *places);
/* "RUNTIME/<part>/<name>" and the like; caller frees. */
char *places_runtime(const struct places *places, const char *part, const char *name);
char *places_folder(const struct places *places, bool is_claimed, const char *name);
