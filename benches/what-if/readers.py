"""Reads a detection log as it stands with DuckDB, pandas and Polars; each says the same of it, as one JSON object."""
import glob
import json
import sys

import duckdb
import pandas
import polars

folder = sys.argv[1]
pattern = f"{folder}/day=*/district=*/*.parquet"


def answer(frames, detections, hits, districts, score):
    return {
        "frames": int(frames),
        "detections": int(detections),
        "hits": int(hits),
        "districts": sorted(districts),
        "score": round(float(score), 4),
    }


def by_duckdb():
    rows = f"read_parquet('{pattern}', hive_partitioning = true)"
    numbers = duckdb.sql(
        f"""SELECT count(*) FILTER (WHERE nth = 0), count(kind), count(*) FILTER (WHERE kind = 'fire' AND score >= 0.5),
            sum(score::DOUBLE) FROM {rows}"""
    ).fetchall()[0]
    districts = [row[0] for row in duckdb.sql(f"SELECT DISTINCT district FROM {rows}").fetchall()]
    return answer(numbers[0], numbers[1], numbers[2], districts, numbers[3])


def by_pandas():
    rows = pandas.read_parquet(folder)
    hits = ((rows.kind == "fire") & (rows.score >= 0.5)).sum()
    score = rows.score.astype("float64").sum()
    return answer((rows.nth == 0).sum(), rows.kind.notna().sum(), hits, set(rows.district.astype(str)), score)


def by_polars():
    rows = polars.read_parquet(sorted(glob.glob(pattern)), hive_partitioning=True)
    hits = rows.filter((polars.col("kind") == "fire") & (polars.col("score") >= 0.5)).height
    frames = rows.filter(polars.col("nth") == 0).height
    detections = rows.height - rows["kind"].null_count()
    return answer(frames, detections, hits, set(rows["district"].cast(str)), rows["score"].cast(polars.Float64).sum())


print(json.dumps({"duckdb": by_duckdb(), "pandas": by_pandas(), "polars": by_polars()}))
