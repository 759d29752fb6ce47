DROP TABLE IF EXISTS customized_metrics;
