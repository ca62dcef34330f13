# The image of Astro, local and deployed: the runtime installs packages.txt and requirements.txt and copies the project,
# less what .dockerignore leaves out, to /usr/local/airflow. Docker Compose builds from docker/.
FROM astrocrpublic.azurecr.io/runtime:3.3-8
