# While the image is built: does COMMAND start on this base, and does the native libSQL load? Runs the
# workload's own migration on a file that is thrown away, with no cache of the runtime left behind.
export SCRATCHPAD_DB_URL=file:/tmp/check.db DENO_DIR=/dev/null/none BUN_RUNTIME_TRANSPILER_CACHE_PATH=0
$COMMAND migrate && : > /opt/scratchpad/checked
