-- Run once, when the data folder of the Postgres container is empty: the warehouse beside the control database.
CREATE DATABASE warehouse;
