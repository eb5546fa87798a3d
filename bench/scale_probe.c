/* The scaling of an action, a step a line: what bench/scale asks.
 *
 *   scale-probe POLICY.json-text     then lines "SECONDS METRIC FLOOR" on standard input; each is answered by a line with the size
 */
#include <stdio.h>
#include <stdlib.h>

#include "act/scale.h"

int main(int count, char **arguments)
{
    struct su_err err;
    struct scale_policy policy;
    struct scale_state state = {0};
    json_t *given;
    double seconds, metric;
    long long floor;
    if (count != 2 || !su_json_parse(su_str_of(arguments[1]), "policy", &given, &err) || !scale_policy_read(given, &policy, &err)) {
        fprintf(stderr, "scale-probe: %s\n", count == 2 ? err.message : "scale-probe POLICY");
        return 1;
    }
    json_decref(given);
    while (scanf("%lf %lf %lld", &seconds, &metric, &floor) == 3) {
        int64_t desired;
        scale_step(&policy, &state, (int64_t)(seconds * 1e6), metric, floor, &desired);
        printf("%lld\n", (long long)scale_current(&policy, &state));
        fflush(stdout);
    }
    return 0;
}
