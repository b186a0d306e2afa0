"""The stateless counts of thresholds on the detection log, by DuckDB: the time of the second run, as JSON."""
import json
import sys
import time

import duckdb

folder, kind, *thresholds = sys.argv[1:]
duckdb.sql("SET threads = 2")
counts = ", ".join(f"count(*) FILTER (WHERE score >= {float(score)}) AS t{n}" for n, score in enumerate(thresholds))
query = f"""
    SELECT camera, {counts} FROM read_parquet('{folder}/day=*/district=*/*.parquet', hive_partitioning = true)
    WHERE kind = '{kind}' GROUP BY camera"""
times = []
for _ in range(3):
    started = time.perf_counter()
    rows = duckdb.sql(query).fetchall()
    times.append(time.perf_counter() - started)
print(json.dumps({"secs": sorted(times[1:])[0], "cameras": len(rows), "counted": sum(row[1] for row in rows)}))
