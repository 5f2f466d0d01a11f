# docker build -t modelview .
# docker run --rm -p 127.0.0.1:8501:8501 -v modelview-weights:/weights modelview
FROM python:3.11-slim

RUN apt-get update \
    && apt-get install -y --no-install-recommends graphviz \
    && rm -rf /var/lib/apt/lists/*

# Another wheel index for torch, such as https://download.pytorch.org/whl/cpu (a much smaller image).
ARG TORCH_INDEX=
WORKDIR /app
COPY requirements.txt ./
RUN if [ -n "$TORCH_INDEX" ]; then \
        pip install --no-cache-dir --index-url "$TORCH_INDEX" $(grep -E '^torch(vision)?==' requirements.txt); \
    fi \
    && pip install --no-cache-dir -r requirements.txt

COPY app.py ./
COPY .streamlit ./.streamlit
COPY pages ./pages
COPY modelview ./modelview

# /weights keeps downloaded weights from one container to the next, and is the only folder of ours the app may write to.
RUN useradd --create-home --uid 1000 modelview && install -d -o modelview /weights
USER modelview
VOLUME /weights
ENV TORCH_HOME=/weights \
    PYTHONUNBUFFERED=1 \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    STREAMLIT_SERVER_HEADLESS=true

EXPOSE 8501
HEALTHCHECK --start-period=60s --interval=30s --timeout=5s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
CMD ["python", "-m", "streamlit", "run", "app.py"]
