-- What keeps the UI quick with many runs, in the database `mlflow`; run at each start.

-- MLflow has no index from an experiment to its runs: listing one reads all of them.
CREATE INDEX IF NOT EXISTS platform_runs_of_experiment
    ON runs (experiment_id, lifecycle_stage, start_time DESC, run_uuid);

-- Sorting by a metric reads the index alone, not a row of the table for each run.
CREATE INDEX IF NOT EXISTS platform_latest_metric_values
    ON latest_metrics (key, run_uuid) INCLUDE (value, is_nan);

CREATE INDEX IF NOT EXISTS platform_versions_of_run ON model_versions (run_id);

-- Statistics follow what was written: by default only after a tenth of a table has changed, which for
-- metrics of many runs is millions of rows too late. 2,000 rows are a training or two.
ALTER TABLE runs SET (autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 200);
ALTER TABLE latest_metrics SET (autovacuum_analyze_scale_factor = 0.01, autovacuum_analyze_threshold = 2000,
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02);
ALTER TABLE metrics SET (autovacuum_analyze_scale_factor = 0.01, autovacuum_analyze_threshold = 2000,
    autovacuum_vacuum_insert_scale_factor = 0.02);
ALTER TABLE params SET (autovacuum_analyze_scale_factor = 0.01, autovacuum_analyze_threshold = 2000,
    autovacuum_vacuum_insert_scale_factor = 0.02);
ALTER TABLE tags SET (autovacuum_analyze_scale_factor = 0.01, autovacuum_analyze_threshold = 2000,
    autovacuum_vacuum_insert_scale_factor = 0.02);
ANALYZE;
