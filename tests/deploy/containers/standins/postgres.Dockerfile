# What stands in for postgres:15-bookworm where no registry can be reached: Debian's own PostgreSQL.
FROM heart-reader-standin-debian
RUN apt-get update -q \
    && apt-get install -yq --no-install-recommends postgresql-15 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/lib/postgresql/15
ENV PATH=/usr/lib/postgresql/15/bin:$PATH PGDATA=/var/lib/postgresql/data
COPY postgres.sh /usr/local/bin/
ENTRYPOINT ["bash", "/usr/local/bin/postgres.sh"]
