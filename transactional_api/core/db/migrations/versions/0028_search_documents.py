"""Create search documents (the lexemes of searchable rows) with their triggers, and the vocabulary."""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

# Kind, columns of the title, columns of the body, column of the connector, language.
SOURCES = {
    "users": ("user", ("username", "first_name", "last_name"), (), None, "simple"),
    "connectors": ("connector", ("name",), ("category", "description"), "id", "english"),
    "posts": ("post", ("title",), ("content",), "connector_id", "english"),
    "events": ("event", ("title",), ("description", "location"), "connector_id", "english"),
    "marketplace_items": ("item", ("title",), ("description",), "connector_id", "english"),
}
TABLES = """
CREATE TABLE search_documents (
    kind varchar(20) NOT NULL,
    subject_id uuid NOT NULL,
    connector_id uuid,
    language varchar(20) NOT NULL,
    bucket integer NOT NULL,
    words tsvector NOT NULL,
    CONSTRAINT pk_search_documents PRIMARY KEY (kind, subject_id)
);
CREATE SEQUENCE search_documents_number AS bigint;
CREATE TABLE search_words (
    word text NOT NULL,
    documents integer NOT NULL,
    CONSTRAINT pk_search_words PRIMARY KEY (word)
);
CREATE INDEX ix_search_words_spelling ON search_words USING gin (word gin_trgm_ops);
CREATE INDEX ix_search_words_unused ON search_words (word) WHERE documents = 0;
CREATE TABLE search_languages (
    language varchar(20) NOT NULL,
    documents bigint NOT NULL,
    lexemes bigint NOT NULL,
    CONSTRAINT pk_search_languages PRIMARY KEY (language)
);
CREATE TABLE search_changes (
    number bigint GENERATED ALWAYS AS IDENTITY,
    kind varchar(20) NOT NULL,
    subject_id uuid NOT NULL,
    language varchar(20) NOT NULL,
    change smallint NOT NULL,
    words text[] NOT NULL,
    CONSTRAINT pk_search_changes PRIMARY KEY (number)
);
"""
# Stop words stay in: they may be words of another language, and their frequency gives them no weight.
LANGUAGES = """
DO $do$
DECLARE
    config record;
BEGIN
    FOR config IN
        SELECT c.cfgname AS name FROM pg_catalog.pg_ts_config c
        JOIN pg_catalog.pg_ts_dict d ON d.dictname = c.cfgname || '_stem' AND d.dictnamespace = c.cfgnamespace
        WHERE c.cfgnamespace = 'pg_catalog'::regnamespace
    LOOP
        EXECUTE format('CREATE TEXT SEARCH DICTIONARY public.search_%s (TEMPLATE = snowball, Language = %L)',
            config.name, config.name);
        EXECUTE format('CREATE TEXT SEARCH CONFIGURATION public.search_%s (COPY = pg_catalog.%I)',
            config.name, config.name);
        EXECUTE format('ALTER TEXT SEARCH CONFIGURATION public.search_%s
            ALTER MAPPING FOR asciiword, asciihword, hword_asciipart WITH public.search_%s', config.name, config.name);
        EXECUTE format('ALTER TEXT SEARCH CONFIGURATION public.search_%s
            ALTER MAPPING FOR word, hword, hword_part WITH unaccent, public.search_%s', config.name, config.name);
    END LOOP;
    CREATE TEXT SEARCH CONFIGURATION public.search_simple (COPY = pg_catalog.simple);
    ALTER TEXT SEARCH CONFIGURATION public.search_simple
        ALTER MAPPING FOR word, hword, hword_part WITH unaccent, pg_catalog.simple;
END
$do$
"""
FUNCTIONS = """
CREATE FUNCTION search_lexemes(language text, title text, body text) RETURNS tsvector STABLE LANGUAGE sql AS $sql$
    SELECT setweight(to_tsvector(('public.search_' || language)::regconfig, left(title, 2000)), 'A')
        || to_tsvector(('public.search_' || language)::regconfig, left(body, 20000))
        || strip(to_tsvector('public.search_simple', left(title, 2000) || ' ' || left(body, 20000)))
$sql$;

CREATE FUNCTION search_follow() RETURNS trigger LANGUAGE plpgsql AS $plpgsql$
DECLARE
    source jsonb;
    title text;
    body text;
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM public.search_documents WHERE kind = TG_ARGV[0] AND subject_id = OLD.id;
        RETURN NULL;
    END IF;
    IF NOT NEW.is_active THEN
        DELETE FROM public.search_documents WHERE kind = TG_ARGV[0] AND subject_id = NEW.id;
        RETURN NULL;
    END IF;
    source := to_jsonb(NEW);
    SELECT coalesce(string_agg(source ->> name, ' '), '') INTO title FROM unnest(TG_ARGV[1]::text[]) name;
    SELECT coalesce(string_agg(source ->> name, ' '), '') INTO body FROM unnest(TG_ARGV[2]::text[]) name;
    INSERT INTO public.search_documents AS document (kind, subject_id, connector_id, language, bucket, words)
    VALUES (
        TG_ARGV[0], NEW.id, (source ->> TG_ARGV[3])::uuid, TG_ARGV[4],
        nextval('public.search_documents_number') / 1024, public.search_lexemes(TG_ARGV[4], title, body)
    )
    ON CONFLICT (kind, subject_id) DO UPDATE SET
        connector_id = excluded.connector_id,
        words = public.search_lexemes(document.language, title, body);
    RETURN NULL;
END
$plpgsql$;

CREATE FUNCTION search_note_change() RETURNS trigger LANGUAGE plpgsql AS $plpgsql$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO public.search_changes (kind, subject_id, language, change, words)
        VALUES (OLD.kind, OLD.subject_id, OLD.language, -1, tsvector_to_array(OLD.words));
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO public.search_changes (kind, subject_id, language, change, words)
        VALUES (NEW.kind, NEW.subject_id, NEW.language, 1, tsvector_to_array(NEW.words));
    END IF;
    RETURN NULL;
END
$plpgsql$;

CREATE TRIGGER search_note_change AFTER INSERT OR UPDATE OF language, words OR DELETE ON search_documents
FOR EACH ROW EXECUTE FUNCTION search_note_change();
"""


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS unaccent")
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gin")
    op.execute(TABLES)
    op.execute(LANGUAGES)
    op.execute(FUNCTIONS)
    for table, (kind, title, body, connector, language) in SOURCES.items():
        op.execute(
            f"CREATE INDEX ix_search_documents_{kind} ON search_documents USING gin (words, connector_id, bucket)"
            f" WITH (gin_pending_list_limit = 256) WHERE kind = '{kind}'"
        )
        arguments = ", ".join(
            f"'{argument}'" for argument in (kind, _array(title), _array(body), connector or "-", language)
        )
        columns = dict.fromkeys((*title, *body, *([connector] if connector else []), "is_active"))
        op.execute(
            f"CREATE TRIGGER search_follow AFTER INSERT OR UPDATE OF {', '.join(columns)} OR DELETE ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION search_follow({arguments})"
        )


def _array(columns: tuple[str, ...]) -> str:
    return "{" + ",".join(columns) + "}"
