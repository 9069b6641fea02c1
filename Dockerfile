# The hosted demo: small, not root, with a health check. docs/hosting.md says how to use it.
FROM python:3.12-slim

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    IMGREC_DEMO=1 \
    IMGREC_HOME=/data/imgrec \
    KERAS_HOME=/data/keras

WORKDIR /app

# Serving needs neither TensorFlow nor what searches with it; NNCF makes the compact twins of networks, in a worker process.
# Every package with its hash (`make lock`), and as a wheel: building one would run code of packages that the lock does
# not name.
COPY requirements.lock .
RUN pip install --require-hashes --only-binary :all: -r requirements.lock

# User 1000 is the one that Hugging Face Spaces runs containers as. It can write to /data and /tmp, and to nothing else:
# the rest may be read-only, see docs/hosting.md.
RUN useradd --uid 1000 --create-home imgrec && mkdir -p /data && chown imgrec /data

COPY app.py pyproject.toml ./
COPY .streamlit .streamlit
COPY assets assets
COPY imgrec imgrec
COPY pages pages

USER 1000
VOLUME /data
# Streamlit looks for its credentials there.
ENV HOME=/data

EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/livez', timeout=4)"]

CMD ["streamlit", "run", "app.py", "--server.address=0.0.0.0", "--server.port=8501", "--server.headless=true", "--server.fileWatcherType=none"]
